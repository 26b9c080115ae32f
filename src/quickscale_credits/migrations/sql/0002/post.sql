-- Write one line of the journal, and update its account and lots. The caller holds the account's
-- lock. p_parts is what each of p_lots gets (positive) or gives (negative). The parts sum to
-- p_amount.
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
    line quickscale_credits_credittransaction;
    lines quickscale_credits_credittransaction[];
    ahead numeric := 0;
    result quickscale_credits_outcome;
BEGIN
    line.account_id := p_account;
    line.kind := p_kind;
    line.amount := p_amount;
    line.shortfall := p_shortfall;
    line.description := p_description;
    line.service_id := p_service;
    line.actor_id := p_actor;
    line.hold_id := p_hold;
    line.reverses_id := p_reverses;
    line.idempotency_key := p_key;
    line.fingerprint := p_fingerprint;
    line.metadata := p_metadata;
    line.created_at := p_at;
    FOR n IN 1 .. cardinality(p_lots) LOOP
        IF EXISTS (SELECT FROM quickscale_credits_creditlot
                    WHERE id = p_lots[n] AND effective_at > p_at) THEN
            ahead := ahead + p_parts[n];
        END IF;
    END LOOP;
    lines := quickscale_credits_post_lines(
        ARRAY[line], array_fill(1, ARRAY[cardinality(p_lots)]), p_lots, p_parts, ahead);
    result.answer := 'posted';
    result.entry := lines[1];
    RETURN result;
END
$$;
