-- Return when something is next due after p_at: the end of a lot, the end of a hold, or the start
-- of a lot that may pay back an overdraft.
CREATE OR REPLACE FUNCTION quickscale_credits_next_due(p_account bigint, p_at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT least(
        (SELECT min(expires_at) FROM quickscale_credits_creditlot
          WHERE account_id = p_account AND is_open AND remaining > held),
        (SELECT min(expires_at) FROM quickscale_credits_credithold
          WHERE account_id = p_account AND status = 'open'),
        (SELECT min(lot.effective_at)
           FROM quickscale_credits_creditaccount account
           JOIN quickscale_credits_creditlot lot ON lot.account_id = account.id
          WHERE account.id = p_account AND account.overdraft_limit > 0
            AND lot.is_open AND lot.remaining > lot.held AND lot.effective_at > p_at))
$$;
