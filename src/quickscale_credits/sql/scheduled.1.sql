-- The lots of a schedule, found by their sources: no schedule has more than 120 periods.
CREATE FUNCTION quickscale_credits_scheduled(
    p_account bigint,
    p_source_type text,
    p_source_id text
) RETURNS SETOF quickscale_credits_creditlot LANGUAGE sql STABLE AS $$
    SELECT lot.* FROM quickscale_credits_creditlot lot
     WHERE lot.source_type = p_source_type AND lot.source_type <> ''
       AND lot.source_id = ANY (ARRAY(
           SELECT p_source_id || ':' || n FROM generate_series(1, 120) n))
       AND lot.account_id = p_account
$$;
