-- Return the ledger's time. Not now(): it keeps the transaction's start time while waiting for a
-- lock.
CREATE OR REPLACE FUNCTION quickscale_credits_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp()
$$;
