-- Change the amount for each period of a schedule that has not begun: take back what was scheduled,
-- and add p_amount for the same periods under p_new_source_id. If that was already done for the new
-- source, the first transaction is returned. The answer is 'nothing' if no period is left.
CREATE OR REPLACE FUNCTION quickscale_credits_reschedule(
    p_account bigint,
    p_source_type text,
    p_source_id text,
    p_new_source_id text,
    p_amount numeric,
    p_description text,
    p_actor text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(p_account, p_actor);
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    lot quickscale_credits_creditlot;
    coming record;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT * INTO lot FROM quickscale_credits_creditlot
     WHERE source_type = p_source_type AND source_id = p_new_source_id || ':1'
       AND source_type <> '' AND transferred_from_id IS NULL;
    IF FOUND THEN
        IF lot.account_id = p_account AND lot.amount = p_amount THEN
            RETURN quickscale_credits_first_transaction(lot.id);
        END IF;
        result.answer := 'conflict';
        RETURN result;
    END IF;

    SELECT array_agg(p_amount) AS amounts, array_agg(effective_at ORDER BY effective_at) AS begins,
           array_agg(expires_at ORDER BY effective_at) AS ends, min(credit_type) AS credit_type,
           min(priority) AS priority
      INTO coming
      FROM (SELECT DISTINCT effective_at, expires_at, credit_type, priority  -- one per period
              FROM quickscale_credits_scheduled(p_account, p_source_type, p_source_id)
             WHERE remaining > 0 AND effective_at > moment) period;
    IF coming.amounts IS NULL THEN
        result.answer := 'nothing';
        RETURN result;
    END IF;
    -- Add the new credits first, so that a refusal takes nothing.
    result := quickscale_credits_schedule(
        p_account, coming.amounts, coming.begins, coming.ends, p_description, coming.credit_type,
        coming.priority, p_source_type, p_new_source_id, NULL, '', p_actor, p_metadata);
    IF result.answer = 'posted' THEN
        PERFORM quickscale_credits_withdraw(
            p_account, p_source_type, p_source_id, coming.begins[1], p_description, p_actor,
            p_metadata);
    END IF;
    RETURN result;
END
$$;
