-- Post what is due on up to p_limit accounts. Accounts that are locked, and those in p_passed, are
-- skipped. An account that can't be posted stays as it is and doesn't stop the others. Returns the
-- number of accounts posted, and the ids of those that failed.
CREATE OR REPLACE FUNCTION quickscale_credits_expire_due(
    p_limit bigint,
    p_passed bigint[],
    OUT posted bigint,
    OUT failed bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    due bigint;
    moment timestamptz := quickscale_credits_clock();
BEGIN
    posted := 0;
    failed := '{}';
    FOR due IN
        SELECT id FROM quickscale_credits_creditaccount
         WHERE next_due_at <= moment AND id <> ALL (p_passed)
         ORDER BY next_due_at
         LIMIT p_limit
           FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        BEGIN
            PERFORM quickscale_credits_post_due(due, quickscale_credits_clock());
            posted := posted + 1;
        EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
            failed := failed || due;
        END;
    END LOOP;
END
$$;
