-- Give back p_amount of what a transaction took, to the same lots, those taken from last first. An
-- overdraft that was paid back meanwhile gives its part as a lot of the type 'adjustment'. The caller
-- holds the account's lock, has looked that so much is left, and posts what is due then.
CREATE FUNCTION quickscale_credits_give_back(
    p_original quickscale_credits_credittransaction,
    p_amount numeric,
    p_description text,
    p_priority smallint,
    p_at timestamptz,
    p_actor text,
    p_key text DEFAULT '',
    p_fingerprint text DEFAULT '',
    p_metadata jsonb DEFAULT '{}'
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    given_back numeric := -p_original.amount - quickscale_credits_left(p_original);
    part record;
    into_lot numeric;
    surplus numeric := 0;
    overdrawn numeric := 0;
    first_lot bigint;
    new_lot bigint;
    lots bigint[] := '{}';
    parts numeric[] := '{}';
BEGIN
    -- Each allocation is a stretch of the amount, the last one first: give the next stretch back.
    FOR part IN
        SELECT lot.id, lot.credit_type, lot.remaining,
               least(stretch.upto, given_back + p_amount)
                   - greatest(stretch.upto - stretch.amount, given_back) AS amount
          FROM (SELECT id, lot_id, -amount AS amount,
                       sum(-amount) OVER (ORDER BY id DESC) AS upto
                  FROM quickscale_credits_creditallocation
                 WHERE transaction_id = p_original.id) stretch
          JOIN quickscale_credits_creditlot lot ON lot.id = stretch.lot_id
         WHERE stretch.upto > given_back
           AND stretch.upto - stretch.amount < given_back + p_amount
         ORDER BY stretch.id DESC
    LOOP
        into_lot := part.amount;
        IF part.credit_type = 'overdraft' THEN
            into_lot := least(part.amount, -part.remaining);
            surplus := part.amount - into_lot;
            overdrawn := part.amount;
        END IF;
        IF into_lot > 0 THEN
            lots := lots || part.id;
            parts := parts || into_lot;
        END IF;
    END LOOP;
    SELECT lot_id INTO first_lot FROM quickscale_credits_creditallocation
     WHERE transaction_id = p_original.id ORDER BY id LIMIT 1;
    IF p_original.kind = 'revoke' THEN
        UPDATE quickscale_credits_creditlot lot SET gone = lot.gone - back.amount
          FROM unnest(lots, parts) back (lot_id, amount)
         WHERE lot.id = back.lot_id AND lot.credit_type <> 'overdraft';
        UPDATE quickscale_credits_creditlot SET gone = gone - overdrawn WHERE id = first_lot;
    END IF;
    IF surplus > 0 THEN
        INSERT INTO quickscale_credits_creditlot (
            account_id, credit_type, priority, amount, remaining, effective_at, created_at)
        VALUES (p_original.account_id, 'adjustment', p_priority, surplus, 0, p_at, p_at)
        RETURNING id INTO new_lot;
        lots := lots || new_lot;
        parts := parts || surplus;
    ELSIF p_amount = 0 THEN
        lots := ARRAY[first_lot];
        parts := ARRAY[0];
    END IF;
    RETURN quickscale_credits_post(
        p_original.account_id, 'reverse', p_amount, p_description, lots, parts, p_at,
        p_original.service_id, p_actor, p_reverses => p_original.id, p_key => p_key,
        p_fingerprint => p_fingerprint, p_metadata => p_metadata);
END
$$;
