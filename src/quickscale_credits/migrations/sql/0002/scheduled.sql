-- Return the lots of a schedule, found by their sources: a schedule has at most 120 periods. The
-- columns are named because a plan made when a table had other columns would fail on a row of the
-- table.
CREATE OR REPLACE FUNCTION quickscale_credits_scheduled(
    p_account bigint,
    p_source_type text,
    p_source_id text
) RETURNS TABLE (
    id bigint,
    credit_type varchar,
    priority smallint,
    remaining numeric,
    effective_at timestamptz,
    expires_at timestamptz
) LANGUAGE sql STABLE AS $$
    SELECT id, credit_type, priority, remaining, effective_at, expires_at
      FROM quickscale_credits_creditlot
     WHERE source_type = p_source_type AND source_type <> ''
       AND source_id = ANY (ARRAY(
           SELECT p_source_id || ':' || n FROM generate_series(1, 120) n))
       AND account_id = p_account
$$;
