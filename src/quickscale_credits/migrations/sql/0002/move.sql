-- Move what is left of a lot, at most p_cap, into a new lot of another type or end, for a
-- conversion or a roll-over. A lot is moved once for each p_source_type; a second call returns the
-- first transaction.
CREATE OR REPLACE FUNCTION quickscale_credits_move(
    p_lot bigint,
    p_cap numeric,
    p_type text,
    p_priority smallint,
    p_expires_at timestamptz,
    p_source_type text,
    p_description text,
    p_actor text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(
        (SELECT account_id FROM quickscale_credits_creditlot WHERE id = p_lot), p_actor);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    lot quickscale_credits_creditlot;
    part numeric;
    new_lot bigint;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT id INTO new_lot FROM quickscale_credits_creditlot
     WHERE source_type = p_source_type AND source_id = p_lot::text AND source_type <> ''
       AND parent_id = p_lot AND transferred_from_id IS NULL;
    IF FOUND THEN
        RETURN quickscale_credits_first_transaction(new_lot);
    END IF;

    SELECT * INTO lot FROM quickscale_credits_creditlot WHERE id = p_lot;
    part := least(lot.remaining - lot.held, p_cap);
    result.answer := CASE
        WHEN account.status = 'closed' THEN 'closed'
        WHEN p_expires_at <= greatest(moment, lot.effective_at) THEN 'ended'
        WHEN part = 0 THEN 'nothing' END;
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    INSERT INTO quickscale_credits_creditlot (
        account_id, credit_type, priority, amount, remaining, effective_at, expires_at,
        source_type, source_id, parent_id, created_at)
    VALUES (
        account.id, p_type, p_priority, part, 0, greatest(moment, lot.effective_at), p_expires_at,
        p_source_type, p_lot::text, p_lot, moment)
    RETURNING id INTO new_lot;
    UPDATE quickscale_credits_creditaccount SET next_due_at = least(next_due_at, p_expires_at)
     WHERE id = account.id AND p_expires_at IS NOT NULL;
    RETURN quickscale_credits_post(
        account.id, 'convert', 0, p_description, ARRAY[p_lot, new_lot], ARRAY[-part, part], moment,
        p_actor => p_actor, p_metadata => p_metadata);
END
$$;
