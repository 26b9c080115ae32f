-- Take credits for requests, each of which succeeds or fails independently. They must be sorted by
-- account, and the answers have the same order. Requests for the same account see each other's
-- effect. p_kind is 'consume' for a use, 'adjust' for a removal by hand. A null array stands for
-- nulls only.
--
-- Plans are made once for a connection and use indexes, even if the tables were small then.
CREATE OR REPLACE FUNCTION quickscale_credits_spend(
    p_kind text,
    p_accounts bigint[],
    p_amounts numeric[],
    p_descriptions text[],
    p_services bigint[],
    p_actors text[],
    p_keys text[],
    p_fingerprints text[],
    p_metadata jsonb[]
) RETURNS SETOF quickscale_credits_outcome LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    result quickscale_credits_outcome;
    results quickscale_credits_outcome[] := array_fill(
        NULL::quickscale_credits_outcome, ARRAY[cardinality(p_accounts)]);
    services bigint[];
    actors text[];
    heads int[];
    takers int[];
    account quickscale_credits_creditaccount;
    moment timestamptz;
    posted_at timestamptz;
    first int;
    last int := 0;
    wanted numeric;
    available numeric;
    refusal text;
    picked record;
    pick int;
    given numeric;
    owed numeric;
    part numeric;
    line quickscale_credits_credittransaction;
    lines quickscale_credits_credittransaction[];
    positions int[];
    places int[];
    lots bigint[];
    parts numeric[];
BEGIN
    IF p_services IS NOT NULL THEN
        services := ARRAY(
            SELECT id FROM quickscale_credits_service WHERE id = ANY (p_services) FOR KEY SHARE);
    END IF;
    IF p_actors IS NOT NULL THEN
        actors := quickscale_credits_actors(p_actors);
    END IF;
    -- Of the requests with the same key, at most one is posted.
    IF cardinality(p_keys) > 1 THEN
        heads := ARRAY(
            SELECT CASE WHEN key <> '' THEN min(n) OVER (PARTITION BY account_id, key) END
              FROM unnest(p_accounts, p_keys) WITH ORDINALITY request (account_id, key, n)
             ORDER BY n);
    END IF;

    line.kind := p_kind;
    line.shortfall := 0;
    WHILE last < cardinality(p_accounts) LOOP
        first := last + 1;
        SELECT * INTO account FROM quickscale_credits_creditaccount
         WHERE id = p_accounts[first] FOR NO KEY UPDATE;
        moment := quickscale_credits_clock();
        wanted := 0;
        LOOP
            last := last + 1;
            IF p_keys[last] <> '' THEN
                results[last] := quickscale_credits_replay(
                    account.id, p_keys[last], p_fingerprints[last]);
            END IF;
            IF results[last].answer IS NULL THEN
                wanted := wanted + p_amounts[last];
            END IF;
            EXIT WHEN p_accounts[last] IS DISTINCT FROM p_accounts[last + 1];
        END LOOP;
        CONTINUE WHEN wanted = 0;

        posted_at := NULL;
        available := NULL;
        IF account.next_due_at <= moment THEN
            account := quickscale_credits_post_due(account.id, moment);
            posted_at := moment;
        END IF;
        refusal := CASE
            WHEN account.id IS NULL THEN 'missing'
            WHEN account.status = 'closed' OR (account.status = 'frozen' AND p_kind = 'consume')
            THEN account.status END;
        IF refusal IS NULL THEN
            picked := quickscale_credits_pick(account, wanted, moment);
            available := coalesce(picked.available, wanted);
            pick := 0;
            given := 0;
        END IF;

        FOR n IN first .. last LOOP
            CONTINUE WHEN results[n].answer IS NOT NULL OR takers[heads[n]] IS NOT NULL;
            owed := p_amounts[n];
            result := NULL;
            result.answer := CASE
                WHEN refusal IS NOT NULL THEN refusal
                WHEN p_services[n] <> ALL (services) THEN 'gone service'
                WHEN p_actors[n] <> ALL (actors) THEN 'gone actor'
                WHEN owed > available THEN 'insufficient' END;
            IF result.answer IS NOT NULL THEN
                result.available := available;
                result.required := owed;
                result.account_id := account.id;
                result.posted_at := posted_at;
                results[n] := result;
                CONTINUE;
            END IF;

            available := available - owed;
            positions := positions || n;
            line.account_id := account.id;
            line.amount := -owed;
            line.description := p_descriptions[n];
            line.service_id := p_services[n];
            line.actor_id := p_actors[n];
            line.idempotency_key := coalesce(p_keys[n], '');
            line.fingerprint := coalesce(p_fingerprints[n], '');
            line.metadata := coalesce(p_metadata[n], '{}');
            line.created_at := moment;
            lines := lines || line;
            IF heads[n] IS NOT NULL THEN
                takers[heads[n]] := n;
            END IF;
            WHILE owed > 0 LOOP
                IF given = 0 THEN
                    pick := pick + 1;
                    given := -picked.parts[pick];
                END IF;
                part := least(owed, given);
                owed := owed - part;
                given := given - part;
                places := places || cardinality(lines);
                lots := lots || picked.lots[pick];
                parts := parts || -part;
            END LOOP;
        END LOOP;
    END LOOP;

    IF lines IS NOT NULL THEN
        lines := quickscale_credits_post_lines(lines, places, lots, parts);
        result := NULL;
        result.answer := 'posted';
        FOR n IN 1 .. cardinality(lines) LOOP
            result.entry := lines[n];
            results[positions[n]] := result;
        END LOOP;
    END IF;
    IF takers IS NOT NULL THEN
        FOR n IN 1 .. cardinality(heads) LOOP
            IF takers[heads[n]] < n THEN
                result := results[takers[heads[n]]];
                result.answer := CASE
                    WHEN p_fingerprints[n] = (result.entry).fingerprint THEN 'replayed' ELSE 'conflict' END;
                results[n] := result;
            END IF;
        END LOOP;
    END IF;
    RETURN QUERY SELECT * FROM unnest(results);
END
$$;
