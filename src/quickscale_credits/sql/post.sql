-- Write one line of the journal and what follows from it. The caller holds the account's lock.
-- p_parts is what each of p_lots gets (positive) or gives (negative), and sums to p_amount.
CREATE OR REPLACE FUNCTION quickscale_credits_post(
    p_account bigint,
    p_kind text,
    p_amount numeric,
    p_description text,
    p_lots bigint[],
    p_parts numeric[],
    p_at timestamptz,
    p_service bigint DEFAULT NULL,
    p_actor text DEFAULT NULL,
    p_hold bigint DEFAULT NULL,
    p_reverses bigint DEFAULT NULL,
    p_shortfall numeric DEFAULT 0,
    p_key text DEFAULT '',
    p_fingerprint text DEFAULT '',
    p_metadata jsonb DEFAULT '{}'
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    ahead numeric := 0;
    lines quickscale_credits_outcome[];
BEGIN
    FOR n IN 1 .. cardinality(p_lots) LOOP
        IF EXISTS (SELECT FROM quickscale_credits_creditlot
                    WHERE id = p_lots[n] AND effective_at > p_at) THEN
            ahead := ahead + p_parts[n];
        END IF;
    END LOOP;
    lines := quickscale_credits_post_lines(
        ARRAY[ROW(
            'posted', NULL, NULL, NULL, p_account, NULL, p_kind, p_amount, NULL, p_shortfall,
            p_description, p_service, p_actor, p_hold, p_reverses, p_key, p_fingerprint,
            p_metadata, p_at)::quickscale_credits_outcome],
        array_fill(1, ARRAY[cardinality(p_lots)]), p_lots, p_parts, ahead);
    RETURN lines[1];
END
$$;
