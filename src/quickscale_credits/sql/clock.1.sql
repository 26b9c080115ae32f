-- The ledger's only clock. now() would not do: it stands still while a lock is waited for.
CREATE FUNCTION quickscale_credits_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp()
$$;
