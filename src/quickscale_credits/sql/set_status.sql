-- Freeze, unfreeze or close an account. Closing is refused while a hold is open, and can't be
-- undone.
CREATE OR REPLACE FUNCTION quickscale_credits_set_status(
    p_account bigint,
    p_status text,
    p_actor text,
    p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(p_account, p_actor);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    refusal text := (begun.result).answer;
BEGIN
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    IF account.status = 'closed' AND p_status <> 'closed' THEN
        RETURN 'closed';
    ELSIF account.held > 0 AND p_status = 'closed' THEN
        RETURN 'held';
    END IF;
    UPDATE quickscale_credits_creditaccount SET status = p_status, updated_at = moment
     WHERE id = p_account;
    -- The end of a revocation never undoes a status set by hand.
    UPDATE quickscale_credits_creditclaim SET freezes = false
     WHERE account_id = p_account AND freezes;
    IF FOUND OR account.status <> p_status THEN
        PERFORM quickscale_credits_note_change(
            p_account, 'status', account.status, p_status, p_actor, p_reason, moment);
    END IF;
    RETURN 'posted';
END
$$;
