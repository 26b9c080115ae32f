-- The ledger's only clock. now() would not do: it stands still while a lock is waited for.
CREATE OR REPLACE FUNCTION quickscale_credits_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp()
$$;
