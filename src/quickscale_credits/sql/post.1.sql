-- Write one line of the journal and what follows from it. The caller holds the account's lock.
-- p_parts is what each of p_lots gets (positive) or gives (negative), and sums to p_amount.
CREATE FUNCTION quickscale_credits_post(
    p_account bigint,
    p_kind text,
    p_amount numeric,
    p_description text,
    p_lots bigint[],
    p_parts numeric[],
    p_at timestamptz,
    p_service bigint DEFAULT NULL,
    p_actor text DEFAULT NULL,
    p_hold bigint DEFAULT NULL,
    p_reverses bigint DEFAULT NULL,
    p_shortfall numeric DEFAULT 0,
    p_key text DEFAULT '',
    p_fingerprint text DEFAULT '',
    p_metadata jsonb DEFAULT '{}'
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    actor quickscale_credits_credittransaction.actor_id%TYPE := p_actor;
    place bigint;
    balance numeric;
    threshold numeric;
    armed boolean;
    result quickscale_credits_outcome;
BEGIN
    -- By id, one by one: a join with the array would be planned anew for every call.
    FOR n IN 1 .. cardinality(p_lots) LOOP
        UPDATE quickscale_credits_creditlot
           SET remaining = remaining + p_parts[n],
               gone = gone - CASE WHEN p_kind IN ('expire', 'revoke')
                                   AND credit_type <> 'overdraft'
                             THEN p_parts[n] ELSE 0 END
         WHERE id = p_lots[n];
    END LOOP;

    UPDATE quickscale_credits_creditaccount
       SET posted = posted + p_amount, next_sequence = next_sequence + 1, updated_at = p_at
     WHERE id = p_account
    RETURNING next_sequence - 1, posted, low_balance_threshold, low_balance_armed
      INTO place, balance, threshold, armed;

    INSERT INTO quickscale_credits_credittransaction (
        account_id, sequence, kind, amount, balance_after, shortfall, description, service_id,
        actor_id, hold_id, reverses_id, idempotency_key, fingerprint, metadata, created_at)
    VALUES (
        p_account, place, p_kind, p_amount, balance, p_shortfall, p_description, p_service,
        actor, p_hold, p_reverses, p_key, p_fingerprint, p_metadata, p_at)
    RETURNING 'posted', NULL, NULL, id, account_id, sequence, kind, amount, balance_after,
        shortfall, description, service_id, actor_id, hold_id, reverses_id, idempotency_key,
        fingerprint, metadata, created_at
    INTO result;

    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT p_account, result.id, part.lot_id, part.amount
      FROM unnest(p_lots, p_parts) part (lot_id, amount);

    PERFORM quickscale_credits_tell(
        p_account,
        CASE p_kind
            WHEN 'grant' THEN 'granted' WHEN 'consume' THEN 'consumed' WHEN 'expire' THEN 'expired'
            WHEN 'revoke' THEN 'revoked' WHEN 'reverse' THEN 'reversed'
            WHEN 'adjust' THEN 'adjusted' ELSE 'converted' END,
        jsonb_build_object(
            'transaction', result.id, 'amount', result.amount::text, 'balance', balance::text),
        p_at);

    IF balance <= 0 AND balance - p_amount > 0 THEN
        PERFORM quickscale_credits_tell(
            p_account, 'depleted', jsonb_build_object('balance', balance::text), p_at);
    END IF;
    -- Low is told once: again only after the balance was above the threshold.
    IF (balance > threshold) <> armed AND (p_amount < 0 OR balance > threshold) THEN
        UPDATE quickscale_credits_creditaccount SET low_balance_armed = NOT armed
         WHERE id = p_account;
        IF armed THEN
            PERFORM quickscale_credits_tell(
                p_account,
                'low_balance',
                jsonb_build_object('balance', balance::text, 'threshold', threshold::text),
                p_at);
        END IF;
    END IF;
    RETURN result;
END
$$;
