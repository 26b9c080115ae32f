-- Give a hold up: its credits are free again, and those of a lot that has ended expire at once.
CREATE OR REPLACE FUNCTION quickscale_credits_release(p_hold bigint)
RETURNS quickscale_credits_hold_outcome LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    hold quickscale_credits_credithold;
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

    SELECT * INTO hold FROM quickscale_credits_credithold WHERE id = p_hold;
    IF hold.status <> 'open' THEN
        result.answer := 'hold ' || hold.status;
        RETURN result;
    END IF;
    IF quickscale_credits_close_hold(hold, 'released', 0, moment) <= moment THEN
        PERFORM quickscale_credits_post_due(account.id, moment, moment);
    END IF;
    SELECT 'posted', NULL, NULL, id, account_id, amount, captured, status, description, service_id,
           actor_id, idempotency_key, fingerprint, metadata, created_at, expires_at, closed_at
      INTO result
      FROM quickscale_credits_credithold WHERE id = p_hold;
    RETURN result;
END
$$;
