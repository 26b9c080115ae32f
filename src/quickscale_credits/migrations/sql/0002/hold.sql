-- Set credits aside until they are captured or released, or until the hold expires after p_ttl.
CREATE OR REPLACE FUNCTION quickscale_credits_hold(
    p_account bigint,
    p_amount numeric,
    p_description text,
    p_ttl interval,
    p_service bigint,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(p_account, p_actor, p_service);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    picked record;
    made quickscale_credits_credithold;
    actor quickscale_credits_credithold.actor_id%TYPE := p_actor;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    -- Check the key after posting what is due: an expired hold no longer uses its key.
    IF p_key <> '' THEN
        SELECT CASE WHEN fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END, known
          INTO result.answer, result.hold
          FROM quickscale_credits_credithold known
         WHERE account_id = p_account AND idempotency_key = p_key AND idempotency_key <> ''
           AND status IN ('open', 'captured');
        IF FOUND THEN
            RETURN result;
        END IF;
    END IF;
    IF account.status <> 'active' THEN
        result.answer := account.status;
        RETURN result;
    END IF;

    picked := quickscale_credits_pick(account, p_amount, moment);
    IF picked.available IS NOT NULL THEN
        result.answer := 'insufficient';
        result.available := picked.available;
        result.required := p_amount;
        RETURN result;
    END IF;

    INSERT INTO quickscale_credits_credithold (
        account_id, amount, description, service_id, actor_id, idempotency_key, fingerprint,
        metadata, created_at, expires_at)
    VALUES (
        p_account, p_amount, p_description, p_service, actor, p_key, p_fingerprint, p_metadata,
        moment, moment + p_ttl)
    RETURNING * INTO made;
    result.answer := 'posted';
    result.hold := made;

    INSERT INTO quickscale_credits_creditholdallocation (account_id, hold_id, lot_id, amount)
    SELECT p_account, made.id, part.lot_id, -part.amount
      FROM unnest(picked.lots, picked.parts) part (lot_id, amount);

    FOR n IN 1 .. cardinality(picked.lots) LOOP
        UPDATE quickscale_credits_creditlot SET held = held - picked.parts[n]
         WHERE id = picked.lots[n];
    END LOOP;

    UPDATE quickscale_credits_creditaccount
       SET held = held + p_amount,
           next_due_at = least(next_due_at, made.expires_at),
           updated_at = moment
     WHERE id = p_account;
    RETURN result;
END
$$;
