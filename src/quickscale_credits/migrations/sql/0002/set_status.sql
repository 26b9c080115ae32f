-- Freeze, thaw or close an account. Closing is refused while a hold is open, and is for good.
CREATE OR REPLACE FUNCTION quickscale_credits_set_status(
    p_account bigint,
    p_status text,
    p_actor text,
    p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    result text := quickscale_credits_missing_reference(p_actor);
    moment timestamptz;
BEGIN
    IF result IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    moment := quickscale_credits_clock();
    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(p_account, moment);
    END IF;
    IF account.status = 'closed' AND p_status <> 'closed' THEN
        RETURN 'closed';
    ELSIF account.held > 0 AND p_status = 'closed' THEN
        RETURN 'held';
    END IF;
    UPDATE quickscale_credits_creditaccount SET status = p_status, updated_at = moment
     WHERE id = p_account;
    -- What was decided by hand, no revocation's end decides again.
    UPDATE quickscale_credits_creditclaim SET freezes = false
     WHERE account_id = p_account AND freezes;
    IF FOUND OR account.status <> p_status THEN
        PERFORM quickscale_credits_note_change(
            p_account, 'status', account.status, p_status, p_actor, p_reason, moment);
    END IF;
    RETURN 'posted';
END
$$;
