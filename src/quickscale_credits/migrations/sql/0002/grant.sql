-- Add credits as a new lot. If the source already has its lot, the answer is as for a repeated key.
-- The credits of a period may be granted after its end: they expire at once, and the journal shows
-- both.
CREATE OR REPLACE FUNCTION quickscale_credits_grant(
    p_account bigint,
    p_amount numeric,
    p_description text,
    p_type text,
    p_priority smallint,
    p_effective_at timestamptz,
    p_expires_at timestamptz,
    p_source_type text,
    p_source_id text,
    p_cost_amount bigint,
    p_cost_currency text,
    p_period_start timestamptz,
    p_period_end timestamptz,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(
        p_account, p_actor, NULL, p_key, p_fingerprint);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    lot quickscale_credits_creditlot;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    IF p_source_type <> '' THEN
        SELECT * INTO lot FROM quickscale_credits_creditlot
         WHERE source_type = p_source_type AND source_id = p_source_id AND source_type <> ''
           AND transferred_from_id IS NULL;
        IF FOUND THEN
            IF lot.account_id = p_account AND lot.amount = p_amount AND lot.credit_type = p_type
                    AND lot.expires_at IS NOT DISTINCT FROM p_expires_at THEN
                RETURN quickscale_credits_first_transaction(lot.id);
            END IF;
            result.answer := 'conflict';
            RETURN result;
        END IF;
    END IF;

    result.answer := CASE
        WHEN account.status = 'closed' THEN 'closed'
        WHEN p_expires_at <= coalesce(p_effective_at, moment) THEN 'ended'
        WHEN p_expires_at <= moment AND p_period_end IS NULL THEN 'ended'
        WHEN account.posted + p_amount >= 1e15 THEN 'overflow' END;
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    INSERT INTO quickscale_credits_creditlot (
        account_id, credit_type, priority, amount, remaining, effective_at, expires_at,
        source_type, source_id, cost_amount, cost_currency, period_start, period_end, created_at)
    VALUES (
        p_account, p_type, p_priority, p_amount, 0, coalesce(p_effective_at, moment), p_expires_at,
        p_source_type, p_source_id, p_cost_amount, p_cost_currency, p_period_start, p_period_end,
        moment)
    ON CONFLICT (source_type, source_id)
        WHERE NOT (source_type = '') AND transferred_from_id IS NULL DO NOTHING
    RETURNING * INTO lot;
    IF NOT FOUND THEN
        -- Another account has just used the source.
        result.answer := 'conflict';
        RETURN result;
    END IF;
    UPDATE quickscale_credits_creditaccount SET next_due_at = least(next_due_at, p_expires_at)
     WHERE id = p_account AND p_expires_at IS NOT NULL;

    result := quickscale_credits_post(
        p_account, 'grant', p_amount, p_description, ARRAY[lot.id], ARRAY[p_amount], moment,
        p_actor => p_actor, p_key => p_key, p_fingerprint => p_fingerprint,
        p_metadata => p_metadata);
    IF p_expires_at <= moment OR account.overdraft_limit > 0 THEN
        PERFORM quickscale_credits_post_due(p_account, moment, moment);
    END IF;
    RETURN result;
END
$$;
