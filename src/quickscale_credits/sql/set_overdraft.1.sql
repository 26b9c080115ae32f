-- Set how far the account may be overdrawn. Below what is used or held already is refused.
CREATE FUNCTION quickscale_credits_set_overdraft(p_account bigint, p_limit numeric)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM quickscale_credits_creditaccount WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    PERFORM FROM quickscale_credits_creditlot
     WHERE account_id = p_account AND credit_type = 'overdraft' AND held - remaining > p_limit;
    IF FOUND THEN
        RETURN 'used';
    END IF;
    UPDATE quickscale_credits_creditaccount
       SET overdraft_limit = p_limit, updated_at = quickscale_credits_clock()
     WHERE id = p_account;
    RETURN 'posted';
END
$$;
