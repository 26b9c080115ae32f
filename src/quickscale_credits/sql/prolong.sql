-- Let an open hold last until p_ttl from now. It never ends earlier than it did.
CREATE OR REPLACE FUNCTION quickscale_credits_prolong(p_hold bigint, p_ttl interval)
RETURNS quickscale_credits_hold_outcome LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    result quickscale_credits_hold_outcome;
    moment timestamptz;
BEGIN
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = (SELECT account_id FROM quickscale_credits_credithold WHERE id = p_hold)
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        result.answer := 'missing';
        RETURN result;
    END IF;
    moment := quickscale_credits_clock();
    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(account.id, moment);
    END IF;

    UPDATE quickscale_credits_credithold
       SET expires_at = greatest(expires_at, moment + p_ttl)
     WHERE id = p_hold AND status = 'open'
    RETURNING 'posted', NULL, NULL, id, account_id, amount, captured, status, description,
        service_id, actor_id, idempotency_key, fingerprint, metadata, created_at, expires_at,
        closed_at
    INTO result;
    IF NOT FOUND THEN
        SELECT 'hold ' || status INTO result.answer
          FROM quickscale_credits_credithold WHERE id = p_hold;
    END IF;
    RETURN result;
END
$$;
