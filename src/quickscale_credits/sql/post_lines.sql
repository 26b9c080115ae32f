-- Write lines of the journal, all of one kind, and update their accounts and lots. The caller holds
-- the locks of the accounts. The lines of one account are adjacent. A line has no id, sequence or
-- balance yet; it is returned with them. p_parts[n] is what p_lots[n] gets (positive) or gives
-- (negative) for line p_places[n]. The parts of a line sum to its amount. p_ahead is how much of
-- the amount belongs to lots that have not begun; it is only for single lines.
CREATE OR REPLACE FUNCTION quickscale_credits_post_lines(
    p_lines quickscale_credits_credittransaction[],
    p_places int[],
    p_lots bigint[],
    p_parts numeric[],
    p_ahead numeric DEFAULT 0
) RETURNS quickscale_credits_credittransaction[] LANGUAGE plpgsql AS $$
DECLARE
    line quickscale_credits_credittransaction;
    account record;
    before numeric;
    total numeric := 0;
    lots bigint[];
    totals numeric[];
    accounts bigint[];
    balances numeric[];
    sequences bigint[];
    armed boolean[];
    events int[];
    kinds text[];
    payloads jsonb[];
BEGIN
    FOR n IN 1 .. cardinality(p_lots) LOOP
        total := total + p_parts[n];
        IF p_lots[n] IS DISTINCT FROM p_lots[n + 1] THEN
            lots := lots || p_lots[n];
            totals := totals || total;
            total := 0;
        END IF;
    END LOOP;

    FOR n IN 1 .. cardinality(p_lines) LOOP
        line := p_lines[n];
        IF line.account_id IS DISTINCT FROM p_lines[n - 1].account_id THEN
            SELECT posted, next_sequence, low_balance_threshold AS low, low_balance_armed AS armed,
                   posted - coalesce((
                       SELECT sum(remaining) FROM quickscale_credits_creditlot lot
                        WHERE lot.account_id = owner.id AND is_open
                          AND effective_at > line.created_at), 0) AS begun
              INTO account
              FROM quickscale_credits_creditaccount owner WHERE id = line.account_id;
        END IF;
        line.id := nextval('quickscale_credits_credittransaction_id_seq');
        line.sequence := account.next_sequence;
        line.balance_after := account.posted + line.amount;
        p_lines[n] := line;
        account.next_sequence := line.sequence + 1;
        account.posted := line.balance_after;
        before := account.begun;
        account.begun := before + line.amount - p_ahead;

        events := events || n;
        kinds := kinds || CASE line.kind
            WHEN 'grant' THEN 'granted' WHEN 'consume' THEN 'consumed' WHEN 'expire' THEN 'expired'
            WHEN 'revoke' THEN 'revoked' WHEN 'reverse' THEN 'reversed'
            WHEN 'adjust' THEN 'adjusted' WHEN 'transfer' THEN 'transferred'
            ELSE 'converted' END;
        payloads := payloads || jsonb_build_object(
            'transaction', line.id, 'amount', line.amount::text,
            'balance', line.balance_after::text);
        IF account.begun <= 0 AND before > 0 THEN
            events := events || n;
            kinds := kinds || 'depleted'::text;
            payloads := payloads || jsonb_build_object('balance', account.begun::text);
        END IF;
        -- Report a low balance once, and again only after it has risen above the threshold.
        IF greatest(before, account.begun) > account.low THEN
            account.armed := TRUE;
        END IF;
        IF account.armed AND account.begun <= account.low AND account.begun < before THEN
            account.armed := FALSE;
            events := events || n;
            kinds := kinds || 'low_balance'::text;
            payloads := payloads || jsonb_build_object(
                'balance', account.begun::text, 'threshold', account.low::text);
        END IF;

        IF line.account_id IS DISTINCT FROM p_lines[n + 1].account_id THEN
            accounts := accounts || line.account_id;
            balances := balances || account.posted;
            sequences := sequences || account.next_sequence;
            armed := armed || account.armed;
        END IF;
    END LOOP;

    WITH lot AS (
        UPDATE quickscale_credits_creditlot lot
           SET remaining = lot.remaining + change.amount,
               lost = lot.lost - CASE WHEN lot.credit_type <> 'overdraft' AND (
                                           line.kind IN ('expire', 'revoke')
                                           OR line.kind = 'transfer' AND change.amount < 0)
                                 THEN change.amount ELSE 0 END
          FROM unnest(lots, totals) change (lot_id, amount)
         WHERE lot.id = change.lot_id),
    owner AS (
        UPDATE quickscale_credits_creditaccount owner
           SET posted = change.posted, next_sequence = change.next_sequence,
               low_balance_armed = change.armed, updated_at = line.created_at
          FROM unnest(accounts, balances, sequences, armed)
               change (account_id, posted, next_sequence, armed)
         WHERE owner.id = change.account_id),
    entry AS (
        INSERT INTO quickscale_credits_credittransaction (
            id, account_id, sequence, kind, amount, balance_after, shortfall, description,
            service_id, actor_id, hold_id, reverses_id, idempotency_key, fingerprint, metadata,
            created_at)
        SELECT id, account_id, sequence, kind, amount, balance_after, shortfall, description,
               service_id, actor_id, hold_id, reverses_id, idempotency_key, fingerprint, metadata,
               created_at
          FROM unnest(p_lines)),
    event AS (
        INSERT INTO quickscale_credits_creditevent (
            account_id, kind, payload, created_at, next_attempt_at)
        SELECT p_lines[place].account_id, kind, payload, p_lines[place].created_at,
               p_lines[place].created_at
          FROM unnest(events, kinds, payloads) event (place, kind, payload))
    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT p_lines[place].account_id, p_lines[place].id, lot_id, amount
      FROM unnest(p_places, p_lots, p_parts) part (place, lot_id, amount);
    RETURN p_lines;
END
$$;
