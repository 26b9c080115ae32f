-- Move p_amount of a lot (null moves all that is free) to another account, into a lot with the same
-- terms. The money paid is moved in proportion. Both accounts get a line. The line of the sender is
-- returned, and has the key. The answer is 'nothing' if nothing is free.
CREATE OR REPLACE FUNCTION quickscale_credits_transfer(
    p_lot bigint,
    p_account bigint,
    p_amount numeric,
    p_description text,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record;
    giver bigint;
    sender quickscale_credits_creditaccount;
    receiver quickscale_credits_creditaccount;
    lot quickscale_credits_creditlot;
    part numeric;
    new_lot bigint;
    result quickscale_credits_outcome;
    moment timestamptz;
BEGIN
    result.answer := quickscale_credits_missing_reference(p_actor);
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT account_id INTO giver FROM quickscale_credits_creditlot WHERE id = p_lot;
    PERFORM FROM quickscale_credits_creditaccount
     WHERE id IN (giver, p_account) ORDER BY id FOR NO KEY UPDATE;
    begun := quickscale_credits_enter(giver, NULL, NULL, p_key, p_fingerprint);
    sender := begun.account;
    result := begun.result;
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;
    begun := quickscale_credits_enter(p_account);
    receiver := begun.account;
    moment := begun.moment;
    result.answer := (begun.result).answer;
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT * INTO lot FROM quickscale_credits_creditlot WHERE id = p_lot;
    result.available := lot.remaining - lot.held;
    part := coalesce(p_amount, result.available);
    result.answer := CASE
        WHEN 'closed' IN (sender.status, receiver.status) THEN 'closed'
        WHEN part = 0 THEN 'nothing'
        WHEN part > result.available THEN 'insufficient'
        WHEN receiver.posted + part >= 1e15 THEN 'overflow' END;
    IF result.answer IS NOT NULL THEN
        result.required := part;
        RETURN result;
    END IF;

    INSERT INTO quickscale_credits_creditlot (
        account_id, credit_type, priority, amount, remaining, effective_at, expires_at,
        source_type, source_id, cost_amount, cost_currency, period_start, period_end,
        transferred_from_id, created_at)
    VALUES (
        receiver.id, lot.credit_type, lot.priority, part, 0, lot.effective_at, lot.expires_at,
        lot.source_type, lot.source_id, floor(lot.cost_amount * part / lot.amount),
        lot.cost_currency, lot.period_start, lot.period_end, p_lot, moment)
    RETURNING id INTO new_lot;
    UPDATE quickscale_credits_creditaccount SET next_due_at = least(next_due_at, lot.expires_at)
     WHERE id = receiver.id AND lot.expires_at IS NOT NULL;
    result := quickscale_credits_post(
        sender.id, 'transfer', -part, p_description, ARRAY[p_lot], ARRAY[-part], moment,
        p_actor => p_actor, p_key => p_key, p_fingerprint => p_fingerprint,
        p_metadata => p_metadata);
    PERFORM quickscale_credits_post(
        receiver.id, 'transfer', part, p_description, ARRAY[new_lot], ARRAY[part], moment,
        p_actor => p_actor, p_metadata => p_metadata);
    IF receiver.overdraft_limit > 0 THEN
        PERFORM quickscale_credits_post_due(receiver.id, moment, moment);
    END IF;
    RETURN result;
END
$$;
