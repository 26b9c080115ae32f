-- Write one line of the journal, and what follows from it. The caller holds the account's lock and
-- has filled the entry's account, kind, amount, description, created_at and links.
-- p_lots and p_amounts: what each lot gets (positive) or gives (negative); they sum to the amount.
CREATE FUNCTION quickscale_credits_post(
    p_entry quickscale_credits_credittransaction,
    p_lots bigint[],
    p_amounts numeric[]
) RETURNS quickscale_credits_credittransaction LANGUAGE plpgsql AS $$
DECLARE
    entry quickscale_credits_credittransaction := p_entry;
    threshold numeric;
    was_armed boolean;
    is_low boolean;
BEGIN
    UPDATE quickscale_credits_creditlot lot
       SET remaining = lot.remaining + part.amount
      FROM unnest(p_lots, p_amounts) part (lot_id, amount)
     WHERE lot.id = part.lot_id AND part.amount <> 0;

    UPDATE quickscale_credits_creditaccount account
       SET posted = account.posted + entry.amount,
           next_sequence = account.next_sequence + 1,
           updated_at = entry.created_at
     WHERE account.id = entry.account_id
    RETURNING account.next_sequence - 1, account.posted,
              account.low_balance_threshold, account.low_balance_armed
      INTO entry.sequence, entry.balance_after, threshold, was_armed;

    INSERT INTO quickscale_credits_credittransaction (
        account_id, sequence, kind, amount, balance_after, shortfall, description, service_id,
        actor_id, hold_id, reverses_id, idempotency_key, fingerprint, metadata, created_at)
    VALUES (
        entry.account_id, entry.sequence, entry.kind, entry.amount, entry.balance_after,
        coalesce(entry.shortfall, 0), entry.description, entry.service_id, entry.actor_id,
        entry.hold_id, entry.reverses_id, coalesce(entry.idempotency_key, ''),
        coalesce(entry.fingerprint, ''), coalesce(entry.metadata, '{}'), entry.created_at)
    RETURNING * INTO entry;

    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT entry.account_id, entry.id, part.lot_id, part.amount
      FROM unnest(p_lots, p_amounts) part (lot_id, amount);

    INSERT INTO quickscale_credits_creditevent (
        account_id, kind, payload, created_at, next_attempt_at)
    VALUES (
        entry.account_id,
        CASE entry.kind
            WHEN 'grant' THEN 'granted' WHEN 'consume' THEN 'consumed'
            WHEN 'expire' THEN 'expired' WHEN 'revoke' THEN 'revoked'
            WHEN 'reverse' THEN 'reversed' WHEN 'adjust' THEN 'adjusted' ELSE 'converted' END,
        jsonb_build_object(
            'transaction', entry.id, 'amount', entry.amount::text,
            'balance', entry.balance_after::text),
        entry.created_at, entry.created_at);

    IF entry.amount < 0 AND entry.balance_after <= 0
            AND entry.balance_after - entry.amount > 0 THEN
        INSERT INTO quickscale_credits_creditevent (
            account_id, kind, payload, created_at, next_attempt_at)
        VALUES (
            entry.account_id, 'depleted',
            jsonb_build_object('balance', entry.balance_after::text),
            entry.created_at, entry.created_at);
    END IF;

    is_low := entry.balance_after <= threshold;
    IF is_low = was_armed AND (entry.amount < 0 OR NOT is_low) THEN
        UPDATE quickscale_credits_creditaccount
           SET low_balance_armed = NOT is_low
         WHERE id = entry.account_id;
        IF is_low THEN
            INSERT INTO quickscale_credits_creditevent (
                account_id, kind, payload, created_at, next_attempt_at)
            VALUES (
                entry.account_id, 'low_balance',
                jsonb_build_object(
                    'balance', entry.balance_after::text, 'threshold', threshold::text),
                entry.created_at, entry.created_at);
        END IF;
    END IF;
    RETURN entry;
END
$$;
