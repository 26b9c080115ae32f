-- Set the account's overdraft limit. A limit below what is already used or held is refused.
CREATE OR REPLACE FUNCTION quickscale_credits_set_overdraft(
    p_account bigint,
    p_limit numeric,
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
    PERFORM FROM quickscale_credits_creditlot
     WHERE account_id = p_account AND credit_type = 'overdraft' AND held - remaining > p_limit;
    IF FOUND THEN
        RETURN 'used';
    END IF;
    UPDATE quickscale_credits_creditaccount
       SET overdraft_limit = p_limit, updated_at = moment
     WHERE id = p_account;
    IF account.overdraft_limit <> p_limit THEN
        PERFORM quickscale_credits_note_change(
            p_account, 'overdraft_limit', account.overdraft_limit::text,
            p_limit::numeric(19, 4)::text, p_actor, p_reason, moment);
    END IF;
    PERFORM quickscale_credits_post_due(p_account, moment, moment);
    RETURN 'posted';
END
$$;
