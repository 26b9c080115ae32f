-- Set credits aside until a capture, a release or the hold's own end, which comes after p_ttl.
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
) RETURNS quickscale_credits_hold_outcome LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    picked record;
    result quickscale_credits_hold_outcome;
    moment timestamptz;
BEGIN
    result.answer := quickscale_credits_missing_reference(p_actor, p_service);
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        result.answer := 'missing';
        RETURN result;
    END IF;
    moment := quickscale_credits_clock();

    -- Before the replay: a hold that has timed out no longer binds its key.
    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(p_account, moment);
    END IF;
    IF p_key <> '' THEN
        SELECT CASE WHEN fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END, NULL,
               NULL, id, account_id, amount, captured, status, description, service_id, actor_id,
               idempotency_key, fingerprint, metadata, created_at, expires_at, closed_at
          INTO result
          FROM quickscale_credits_credithold
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
        p_account, p_amount, p_description, p_service,
        quickscale_credits_actor(p_actor, (NULL::quickscale_credits_credithold).actor_id), p_key,
        p_fingerprint, p_metadata, moment, moment + p_ttl)
    RETURNING 'posted', NULL, NULL, id, account_id, amount, captured, status, description,
        service_id, actor_id, idempotency_key, fingerprint, metadata, created_at, expires_at,
        closed_at
    INTO result;

    INSERT INTO quickscale_credits_creditholdallocation (account_id, hold_id, lot_id, amount)
    SELECT p_account, result.id, part.lot_id, -part.amount
      FROM unnest(picked.lots, picked.parts) part (lot_id, amount);

    FOR n IN 1 .. cardinality(picked.lots) LOOP
        UPDATE quickscale_credits_creditlot SET held = held - picked.parts[n]
         WHERE id = picked.lots[n];
    END LOOP;

    UPDATE quickscale_credits_creditaccount
       SET held = held + p_amount,
           next_due_at = least(next_due_at, result.expires_at),
           updated_at = moment
     WHERE id = p_account;
    RETURN result;
END
$$;
