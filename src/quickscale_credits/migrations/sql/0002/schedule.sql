-- Add credits as one lot for each period, all in one transaction. p_amounts, p_begins and p_ends
-- have one entry for each period. The lot of the n-th period has the source id '<p_source_id>:<n>'.
-- If the source already has its lots, the answer is as for a repeated key. The money paid is
-- divided among the lots.
CREATE OR REPLACE FUNCTION quickscale_credits_schedule(
    p_account bigint,
    p_amounts numeric[],
    p_begins timestamptz[],
    p_ends timestamptz[],
    p_description text,
    p_type text,
    p_priority smallint,
    p_source_type text,
    p_source_id text,
    p_cost_amount bigint,
    p_cost_currency text,
    p_actor text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(p_account, p_actor);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    known record;
    number bigint := cardinality(p_amounts);
    total numeric;
    lots bigint[];
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT sum(part) INTO total FROM unnest(p_amounts) part;

    SELECT count(*) AS number, min(lot.id) AS first,
           bool_and(lot.account_id = p_account AND lot.credit_type = p_type
                    AND lot.amount = part.amount AND lot.effective_at = part.begins
                    AND lot.expires_at = part.ends) AS same
      INTO known
      FROM unnest(p_amounts, p_begins, p_ends)
           WITH ORDINALITY part (amount, begins, ends, n)
      JOIN quickscale_credits_creditlot lot
        ON lot.source_type = p_source_type AND lot.source_id = p_source_id || ':' || part.n
       AND lot.source_type <> '' AND lot.transferred_from_id IS NULL;
    IF known.number > 0 THEN
        result := quickscale_credits_first_transaction(known.first);
        IF known.number <> number OR NOT known.same OR (result.entry).amount <> total THEN
            result := NULL;
            result.answer := 'conflict';
        END IF;
        RETURN result;
    END IF;

    result.answer := CASE
        WHEN account.status = 'closed' THEN 'closed'
        WHEN account.posted + total >= 1e15 THEN 'overflow' END;
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    BEGIN
        WITH added AS (
            INSERT INTO quickscale_credits_creditlot (
                account_id, credit_type, priority, amount, remaining, effective_at, expires_at,
                source_type, source_id, cost_amount, cost_currency, period_start, period_end,
                created_at)
            SELECT p_account, p_type, p_priority, amount, 0, begins, ends,
                   p_source_type, p_source_id || ':' || n,
                   p_cost_amount / number + (n <= p_cost_amount % number)::int, p_cost_currency,
                   begins, ends, moment
              FROM unnest(p_amounts, p_begins, p_ends)
                   WITH ORDINALITY part (amount, begins, ends, n)
             ORDER BY n
            RETURNING id)
        SELECT array_agg(id ORDER BY id) INTO lots FROM added;
    EXCEPTION WHEN unique_violation THEN
        -- Another account has just used the source.
        result.answer := 'conflict';
        RETURN result;
    END;
    UPDATE quickscale_credits_creditaccount SET next_due_at = least(next_due_at, p_ends[1])
     WHERE id = p_account
    RETURNING next_due_at INTO account.next_due_at;

    result := quickscale_credits_post(
        p_account, 'grant', total, p_description, lots, p_amounts, moment,
        p_actor => p_actor, p_metadata => p_metadata);
    IF account.next_due_at <= moment OR account.overdraft_limit > 0 THEN
        PERFORM quickscale_credits_post_due(p_account, moment, moment);
    END IF;
    RETURN result;
END
$$;
