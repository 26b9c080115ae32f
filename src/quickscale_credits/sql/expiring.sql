-- Return the lots whose free credits expire within one of p_windows and that have not been
-- announced since that window began.
CREATE OR REPLACE FUNCTION quickscale_credits_expiring(p_windows interval[], p_at timestamptz)
RETURNS TABLE (id bigint, account_id bigint) LANGUAGE sql STABLE AS $$
    SELECT id, account_id FROM quickscale_credits_creditlot
     WHERE is_open AND expires_at IS NOT NULL AND expires_at > p_at
       AND expires_at <= p_at + (SELECT max(length) FROM unnest(p_windows) length)
       AND effective_at <= p_at AND remaining > held
       AND (warned_at IS NULL OR warned_at < expires_at - (
           SELECT min(length) FROM unnest(p_windows) length WHERE expires_at <= p_at + length))
$$;
