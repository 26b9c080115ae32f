-- Move an account's lines from before p_before into the archive. One line takes the place of the last
-- of them: it carries the balance, and what each lot has left, forward. Lines stay that a later line
-- gives back, and revocations that are owed something or were until a later line. Returns how many
-- lines were moved.
CREATE FUNCTION quickscale_credits_archive(p_account bigint, p_before timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    upto bigint;
    needed bigint;
    last_line quickscale_credits_credittransaction;
    carried record;
    moved bigint;
BEGIN
    -- What this transaction wrote is checked while it is still there.
    SET CONSTRAINTS quickscale_credits_carried, quickscale_credits_carries IMMEDIATE;
    SET CONSTRAINTS quickscale_credits_carried, quickscale_credits_carries DEFERRED;
    PERFORM FROM quickscale_credits_creditaccount WHERE id = p_account FOR NO KEY UPDATE;
    SELECT max(sequence) INTO upto FROM quickscale_credits_credittransaction
     WHERE account_id = p_account AND created_at < p_before;
    LOOP
        SELECT least(
            (SELECT min(original.sequence)
               FROM quickscale_credits_credittransaction later
               JOIN quickscale_credits_credittransaction original ON original.id = later.reverses_id
              WHERE later.account_id = p_account AND later.sequence > upto
                AND original.sequence <= upto),
            (SELECT min(revocation.sequence)
               FROM (SELECT change.revocation_id AS id
                       FROM quickscale_credits_creditclaim change
                       JOIN quickscale_credits_credittransaction later
                         ON later.id = change.transaction_id
                      WHERE change.account_id = p_account
                      GROUP BY change.revocation_id
                     HAVING sum(change.amount) > 0 OR max(later.sequence) > upto) owed
               JOIN quickscale_credits_credittransaction revocation USING (id)
              WHERE revocation.sequence <= upto)) INTO needed;
        EXIT WHEN needed IS NULL;
        upto := needed - 1;
    END LOOP;
    SELECT * INTO last_line FROM quickscale_credits_credittransaction
     WHERE account_id = p_account AND sequence = upto AND kind <> 'carry';
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    INSERT INTO quickscale_credits_archivedtransaction
    SELECT entry.*, usage.id
      FROM quickscale_credits_credittransaction entry
      LEFT JOIN quickscale_credits_serviceusage usage ON usage.transaction_id = entry.id
     WHERE entry.account_id = p_account AND sequence <= upto AND kind <> 'carry';
    GET DIAGNOSTICS moved = ROW_COUNT;
    INSERT INTO quickscale_credits_archivedallocation
    SELECT part.*
      FROM quickscale_credits_credittransaction entry
      JOIN quickscale_credits_creditallocation part ON part.transaction_id = entry.id
     WHERE entry.account_id = p_account AND sequence <= upto AND kind <> 'carry';
    UPDATE quickscale_credits_serviceusage usage SET transaction_id = NULL
      FROM quickscale_credits_credittransaction entry
     WHERE usage.transaction_id = entry.id AND entry.account_id = p_account AND sequence <= upto;

    DELETE FROM quickscale_credits_creditclaim change
     USING quickscale_credits_credittransaction entry
     WHERE entry.id = change.revocation_id AND entry.account_id = p_account AND sequence <= upto;
    WITH gone AS (
        DELETE FROM quickscale_credits_creditallocation part
         USING quickscale_credits_credittransaction entry
         WHERE entry.id = part.transaction_id AND entry.account_id = p_account
           AND sequence <= upto
        RETURNING part.lot_id, part.amount),
    left_over AS (
        SELECT lot_id, sum(amount) AS amount FROM gone GROUP BY lot_id HAVING sum(amount) <> 0)
    SELECT array_agg(lot_id ORDER BY lot_id) AS lots, array_agg(amount ORDER BY lot_id) AS parts
      INTO carried FROM left_over;
    DELETE FROM quickscale_credits_credittransaction
     WHERE account_id = p_account AND sequence <= upto;

    INSERT INTO quickscale_credits_credittransaction (
        id, account_id, sequence, kind, amount, balance_after, description, metadata, created_at)
    VALUES (
        last_line.id, p_account, upto, 'carry', last_line.balance_after, last_line.balance_after,
        'Carried forward', '{}', last_line.created_at);
    INSERT INTO quickscale_credits_creditallocation (account_id, transaction_id, lot_id, amount)
    SELECT p_account, last_line.id, part.lot_id, part.amount
      FROM unnest(carried.lots, carried.parts) part (lot_id, amount);
    RETURN moved;
END
$$;
