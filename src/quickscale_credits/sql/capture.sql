-- Take a hold's credits, or a part of them (p_amount; null takes all, 0 takes nothing), and free
-- the rest. Capturing 0 writes no transaction. A hold can be captured only once: capturing the same
-- amount again returns the first transaction.
CREATE OR REPLACE FUNCTION quickscale_credits_capture(
    p_hold bigint,
    p_amount numeric
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(
        (SELECT account_id FROM quickscale_credits_credithold WHERE id = p_hold));
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    hold quickscale_credits_credithold;
    taken numeric;
    lots bigint[];
    parts numeric[];
    due_at timestamptz;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT * INTO hold FROM quickscale_credits_credithold WHERE id = p_hold;
    taken := coalesce(p_amount, hold.amount);
    IF hold.status = 'captured' THEN
        result := quickscale_credits_captured(p_hold);
        IF taken = coalesce(-(result.entry).amount, 0) THEN
            RETURN result;
        END IF;
        result := NULL;
    END IF;
    result.answer := CASE
        WHEN hold.status <> 'open' THEN 'hold ' || hold.status
        WHEN taken > hold.amount THEN 'insufficient' END;
    IF result.answer IS NOT NULL THEN
        result.available := hold.amount;
        result.required := taken;
        RETURN result;
    END IF;

    due_at := quickscale_credits_close_hold(hold, 'captured', taken, moment);
    IF taken > 0 THEN
        SELECT array_agg(lot_id ORDER BY id), array_agg(-part ORDER BY id) INTO lots, parts
          FROM quickscale_credits_hold_parts(p_hold, taken);
        result := quickscale_credits_post(
            account.id, 'consume', -taken, hold.description, lots, parts, moment,
            hold.service_id, hold.actor_id::text, hold.id, p_metadata => hold.metadata);
    ELSE
        result.answer := 'posted';
    END IF;
    IF due_at <= moment OR account.overdraft_limit > 0 THEN
        PERFORM quickscale_credits_post_due(account.id, moment, moment);
    END IF;
    RETURN result;
END
$$;
