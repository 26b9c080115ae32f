-- Set the figures of an account, and of its lots and holds, to what the journal says. Each row is
-- set separately: if a constraint refuses one, because the journal itself is wrong, it stays as it
-- is and doesn't stop the others from being corrected.
CREATE OR REPLACE FUNCTION quickscale_credits_rebuild(p_account bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    PERFORM FROM quickscale_credits_creditaccount WHERE id = p_account FOR NO KEY UPDATE;

    FOR wrong IN
        SELECT hold.id, least(hold.amount, -entry.amount) AS taken, entry.created_at
          FROM quickscale_credits_credithold hold
          JOIN quickscale_credits_credittransaction entry
            ON entry.hold_id = hold.id AND entry.account_id = p_account
         WHERE hold.account_id = p_account
           AND (hold.captured <> least(hold.amount, -entry.amount) OR hold.status <> 'captured')
    LOOP
        BEGIN
            UPDATE quickscale_credits_credithold
               SET captured = wrong.taken, status = 'captured',
                   closed_at = coalesce(closed_at, wrong.created_at)
             WHERE id = wrong.id;
        EXCEPTION WHEN integrity_constraint_violation THEN
        END;
    END LOOP;

    FOR wrong IN
        SELECT lot.id, journal.remaining, journal.held, journal.owed,
               coalesce(lost.amount, 0) AS lost
          FROM quickscale_credits_creditlot lot
          LEFT JOIN quickscale_credits_verify_lost(p_account) lost ON lost.lot_id = lot.id
         CROSS JOIN LATERAL (
               SELECT coalesce((
                          SELECT sum(part.amount) FROM quickscale_credits_creditallocation part
                           WHERE part.lot_id = lot.id), 0) AS remaining,
                      coalesce((
                          SELECT sum(part.amount)
                            FROM quickscale_credits_creditholdallocation part
                            JOIN quickscale_credits_credithold hold ON hold.id = part.hold_id
                           WHERE part.lot_id = lot.id AND hold.status = 'open'), 0) AS held,
                      coalesce((
                          SELECT sum(change.amount) FROM quickscale_credits_creditclaim change
                           WHERE change.lot_id = lot.id), 0) AS owed
               ) journal
         WHERE lot.account_id = p_account
           AND (lot.remaining, lot.held, lot.owed, lot.lost) <> (
               journal.remaining, journal.held, journal.owed, coalesce(lost.amount, 0))
    LOOP
        BEGIN
            UPDATE quickscale_credits_creditlot
               SET remaining = wrong.remaining, held = wrong.held,
                   owed = wrong.owed, lost = wrong.lost
             WHERE id = wrong.id;
        EXCEPTION WHEN integrity_constraint_violation THEN
        END;
    END LOOP;

    BEGIN
        UPDATE quickscale_credits_creditaccount
           SET posted = (
                   SELECT coalesce(sum(amount), 0) FROM quickscale_credits_credittransaction
                    WHERE account_id = p_account),
               held = (
                   SELECT coalesce(sum(amount), 0) FROM quickscale_credits_credithold
                    WHERE account_id = p_account AND status = 'open')
         WHERE id = p_account;
    EXCEPTION WHEN integrity_constraint_violation THEN
    END;
    UPDATE quickscale_credits_creditaccount
       SET next_sequence = (
               SELECT coalesce(max(sequence), 0) + 1 FROM quickscale_credits_credittransaction
                WHERE account_id = p_account),
           next_due_at = quickscale_credits_next_due(p_account, quickscale_credits_clock()),
           updated_at = quickscale_credits_clock()
     WHERE id = p_account;
END
$$;
