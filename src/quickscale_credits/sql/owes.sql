-- Return whether the account has a lot that owes revoked credits, or has used its overdraft.
CREATE OR REPLACE FUNCTION quickscale_credits_owes(p_account bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM quickscale_credits_creditlot WHERE account_id = p_account AND owes)
$$;
