-- The lots whose free credits end within one of p_windows and were not told of since it began.
CREATE FUNCTION quickscale_credits_ending(p_windows interval[], p_at timestamptz)
RETURNS SETOF quickscale_credits_creditlot LANGUAGE sql STABLE AS $$
    SELECT lot.* FROM quickscale_credits_creditlot lot
     WHERE is_open AND expires_at IS NOT NULL AND expires_at > p_at
       AND expires_at <= p_at + (SELECT max(length) FROM unnest(p_windows) length)
       AND effective_at <= p_at AND remaining > held
       AND (warned_at IS NULL OR warned_at < expires_at - (
           SELECT min(length) FROM unnest(p_windows) length WHERE expires_at <= p_at + length))
$$;
