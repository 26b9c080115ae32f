-- Give back what a transaction took (p_amount; null is all that is left), to the same lots, those
-- taken from last first. What comes back into a lot that has ended expires at once. An overdraft
-- that was paid back meanwhile gives its part as a lot of the type 'adjustment'.
CREATE FUNCTION quickscale_credits_reverse(
    p_transaction bigint,
    p_amount numeric,
    p_description text,
    p_priority smallint,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    original quickscale_credits_credittransaction;
    given_back numeric;
    wanted numeric;
    part record;
    into_lot numeric;
    surplus numeric := 0;
    overdrawn numeric := 0;
    revoked bigint;
    new_lot bigint;
    lots bigint[];
    parts numeric[];
    due_at timestamptz;
    result quickscale_credits_outcome;
    moment timestamptz;
BEGIN
    SELECT * INTO original FROM quickscale_credits_credittransaction WHERE id = p_transaction;
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = original.account_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        result.answer := 'missing';
        RETURN result;
    END IF;
    moment := quickscale_credits_clock();
    IF p_key <> '' THEN
        result := quickscale_credits_replay(account.id, p_key, p_fingerprint);
        IF result.answer IS NOT NULL THEN
            RETURN result;
        END IF;
    END IF;
    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(account.id, moment);
    END IF;
    IF account.status = 'closed' AND original.kind <> 'revoke' THEN
        result.answer := 'closed';
        RETURN result;
    END IF;

    SELECT coalesce(sum(amount), 0) INTO given_back
      FROM quickscale_credits_credittransaction WHERE reverses_id = p_transaction;
    result.available := 0;
    IF original.kind IN ('consume', 'adjust', 'revoke') THEN
        result.available := greatest(-original.amount - given_back, 0);
    END IF;
    wanted := coalesce(p_amount, result.available);
    IF wanted > result.available OR result.available = 0 THEN
        result.answer := 'irreversible';
        result.required := coalesce(p_amount, -original.amount);
        RETURN result;
    END IF;

    IF account.posted + wanted >= 1e15 THEN
        result.answer := 'overflow';
        RETURN result;
    END IF;

    -- Each allocation is a stretch of the amount, the last one first: give the next stretch back.
    FOR part IN
        SELECT lot.id, lot.credit_type, lot.remaining, lot.expires_at,
               least(stretch.upto, given_back + wanted)
                   - greatest(stretch.upto - stretch.amount, given_back) AS amount
          FROM (SELECT id, lot_id, -amount AS amount,
                       sum(-amount) OVER (ORDER BY id DESC) AS upto
                  FROM quickscale_credits_creditallocation
                 WHERE transaction_id = p_transaction) stretch
          JOIN quickscale_credits_creditlot lot ON lot.id = stretch.lot_id
         WHERE stretch.upto > given_back
           AND stretch.upto - stretch.amount < given_back + wanted
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
            due_at := least(due_at, part.expires_at);
        END IF;
    END LOOP;
    IF surplus > 0 THEN
        INSERT INTO quickscale_credits_creditlot (
            account_id, credit_type, priority, amount, remaining, effective_at, created_at)
        VALUES (account.id, 'adjustment', p_priority, surplus, 0, moment, moment)
        RETURNING id INTO new_lot;
        lots := lots || new_lot;
        parts := parts || surplus;
    END IF;

    result := quickscale_credits_post(
        account.id, 'reverse', wanted, p_description, lots, parts, moment, original.service_id,
        p_actor, p_reverses => p_transaction, p_key => p_key, p_fingerprint => p_fingerprint,
        p_metadata => p_metadata);
    IF original.kind = 'revoke' THEN
        -- A revocation that is taken back, even in part, is owed no longer.
        UPDATE quickscale_credits_creditlot lot SET gone = lot.gone - back.amount
          FROM unnest(lots, parts) back (lot_id, amount)
         WHERE lot.id = back.lot_id AND lot.credit_type <> 'overdraft'
           AND lot.id IS DISTINCT FROM new_lot;
        SELECT lot_id INTO revoked FROM quickscale_credits_creditallocation
         WHERE transaction_id = p_transaction ORDER BY id LIMIT 1;
        UPDATE quickscale_credits_creditlot SET gone = gone - overdrawn WHERE id = revoked;
        UPDATE quickscale_credits_creditlot lot SET revoked_due = lot.revoked_due - claim.amount
          FROM (SELECT lot_id, least(owed, original.shortfall
                                           - (sum(owed) OVER (ORDER BY lot_id) - owed)) AS amount
                  FROM quickscale_credits_lineage(revoked)) claim
         WHERE lot.id = claim.lot_id AND claim.amount > 0;
    END IF;
    IF quickscale_credits_owes(account.id) THEN
        due_at := moment;
    END IF;
    UPDATE quickscale_credits_creditaccount SET next_due_at = least(next_due_at, due_at)
     WHERE id = account.id AND due_at IS NOT NULL;
    IF due_at <= moment THEN
        PERFORM quickscale_credits_post_due(account.id, moment);
    END IF;
    IF account.overdraft_limit > 0 THEN
        PERFORM quickscale_credits_repay(account, moment);
    END IF;
    RETURN result;
END
$$;
