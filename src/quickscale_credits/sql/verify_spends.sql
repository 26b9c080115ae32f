-- Replay an account's journal with its holds, line by line, and return what no operation would have
-- written: credits taken from a lot while an earlier one had free credits, from a lot that had not
-- begun or had ended, or from a lot that had too few; and an expiry of credits that had not ended.
--
-- Lines are replayed by their numbers. A hold has no number, so it is placed by its times, and
-- closes before the line that captures it. If a hold has the same time as a line, it counts as open
-- during that line, and its own choice of lots is not judged, so a sound ledger is never reported
-- as wrong. Of a settlement, only what it took beyond its hold is judged.
CREATE OR REPLACE FUNCTION quickscale_credits_verify_spends(p_account bigint)
RETURNS TABLE (rule text, row_id bigint, expected text, actual text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    ids bigint[];
    begins timestamptz[];
    ends timestamptz[];
    overdraft bigint;
    balance numeric[];
    held numeric[];
    filled bigint[] := '{}';  -- the places of lots with a balance
    step record;
    place bigint;
    earlier bigint;
    last_line timestamptz;
BEGIN
    -- A lot's place is its position in the order of a spend. The overdraft is the last.
    SELECT array_agg(id ORDER BY turn), array_agg(effective_at ORDER BY turn),
           array_agg(expires_at ORDER BY turn), max(turn) FILTER (WHERE credit_type = 'overdraft'),
           array_agg(0::numeric), array_agg(0::numeric)
      INTO ids, begins, ends, overdraft, balance, held
      FROM (SELECT id, effective_at, expires_at, credit_type,
                   row_number() OVER (
                       ORDER BY credit_type = 'overdraft', priority, expires_at, id) AS turn
              FROM quickscale_credits_creditlot WHERE account_id = p_account) lot;

    FOR step IN
        WITH lot AS (
            SELECT id, row_number() OVER (
                       ORDER BY credit_type = 'overdraft', priority, expires_at, id) AS place
              FROM quickscale_credits_creditlot WHERE account_id = p_account),
        line AS (
            SELECT id, sequence, max(created_at) OVER (ORDER BY sequence) AS at, kind,
                   hold_id, amount < 0 AND kind IN ('consume', 'adjust') AS picks
              FROM quickscale_credits_credittransaction WHERE account_id = p_account)
        SELECT 'transaction' AS what, at, 1 AS turn, sequence::numeric, line.id, kind,
               array_agg(lot.place) AS places, array_agg(part.amount) AS parts,
               array_agg(lot.place) FILTER (
                   WHERE picks AND -part.amount > coalesce(aside.amount, 0)) AS picked
          FROM line
         CROSS JOIN LATERAL (
               SELECT lot_id, amount FROM quickscale_credits_creditallocation
                WHERE transaction_id = line.id
               OFFSET 0  -- use the index for each line, never scan the lines of all accounts
               ) part
          JOIN lot ON lot.id = part.lot_id
          LEFT JOIN LATERAL (
               SELECT amount FROM quickscale_credits_creditholdallocation
                WHERE hold_id = line.hold_id AND lot_id = part.lot_id
               OFFSET 0
               ) aside ON TRUE
         GROUP BY at, sequence, line.id, kind
        UNION ALL
        SELECT 'hold', moment.at, moment.turn, moment.sequence, hold.id, '',
               array_agg(lot.place), array_agg(part.amount * moment.sign),
               array_agg(lot.place) FILTER (WHERE moment.turn = 2)
          FROM quickscale_credits_credithold hold
         CROSS JOIN LATERAL (
               SELECT lot_id, amount FROM quickscale_credits_creditholdallocation
                WHERE hold_id = hold.id
               OFFSET 0
               ) part
          JOIN lot ON lot.id = part.lot_id
          LEFT JOIN line ON line.hold_id = hold.id
         CROSS JOIN LATERAL (VALUES
               (hold.created_at, 0, hold.id, 1), (hold.created_at, 2, hold.id, 0),
               (CASE WHEN line.id IS NULL THEN hold.closed_at END, 3, hold.id, -1),
               (line.at, 1, line.sequence - 0.5, -1)
               ) moment (at, turn, sequence, sign)
         WHERE hold.account_id = p_account AND moment.at IS NOT NULL
         GROUP BY moment.at, moment.turn, moment.sequence, hold.id
         ORDER BY at, turn, sequence
    LOOP
        row_id := step.id;
        FOR n IN 1 .. cardinality(step.places) LOOP
            place := step.places[n];
            IF step.what = 'hold' THEN
                held[place] := held[place] + step.parts[n];
                CONTINUE;
            END IF;
            IF balance[place] + step.parts[n] < least(0, balance[place])
                    AND place IS DISTINCT FROM overdraft THEN
                rule := 'transaction takes no more than its lot has';
                expected := 'at most ' || balance[place];
                actual := -step.parts[n];
                RETURN NEXT;
            END IF;
            IF balance[place] + step.parts[n] = 0 THEN
                filled := array_remove(filled, place);
            ELSIF balance[place] = 0 THEN
                filled := filled || place;
            END IF;
            balance[place] := balance[place] + step.parts[n];
            IF step.kind = 'expire' AND ends[place] > step.at THEN
                rule := 'transaction expires what has ended';
                expected := ends[place];
                actual := step.at;
                RETURN NEXT;
            END IF;
        END LOOP;
        IF step.what = 'transaction' THEN
            last_line := step.at;
        END IF;
        CONTINUE WHEN step.picked IS NULL OR step.what = 'hold' AND last_line = step.at;

        FOREACH place IN ARRAY step.picked LOOP
            IF begins[place] > step.at OR ends[place] <= step.at THEN
                rule := step.what || ' takes from lots that have begun and have not ended';
                expected := 'from ' || begins[place] || coalesce(' to ' || ends[place], '');
                actual := step.at;
                RETURN NEXT;
            END IF;
        END LOOP;
        SELECT max(used) INTO place FROM unnest(step.picked) used;
        FOREACH earlier IN ARRAY filled LOOP
            IF earlier < place AND balance[earlier] > held[earlier]
                    AND begins[earlier] <= step.at
                    AND (ends[earlier] IS NULL OR ends[earlier] > step.at) THEN
                rule := step.what || ' takes from the lots in their order';
                expected := 'lot ' || ids[earlier];
                actual := 'lot ' || ids[place];
                RETURN NEXT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
