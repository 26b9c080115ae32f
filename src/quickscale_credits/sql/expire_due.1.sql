-- Post what is due on up to p_limit accounts, passing over those that are locked now. Returns how
-- many accounts were touched.
CREATE FUNCTION quickscale_credits_expire_due(p_limit bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    due bigint;
    touched bigint := 0;
    moment timestamptz := quickscale_credits_clock();
BEGIN
    FOR due IN
        SELECT id FROM quickscale_credits_creditaccount
         WHERE next_due_at <= moment
         ORDER BY next_due_at
         LIMIT p_limit
           FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        PERFORM quickscale_credits_post_due(due, quickscale_credits_clock());
        touched := touched + 1;
    END LOOP;
    RETURN touched;
END
$$;
