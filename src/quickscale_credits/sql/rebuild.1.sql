-- Set an account's and its lots' figures to what the journal and the open holds say.
CREATE FUNCTION quickscale_credits_rebuild(p_account bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM quickscale_credits_creditaccount WHERE id = p_account FOR NO KEY UPDATE;

    UPDATE quickscale_credits_creditlot lot
       SET remaining = coalesce((
               SELECT sum(part.amount) FROM quickscale_credits_creditallocation part
                WHERE part.lot_id = lot.id), 0),
           held = coalesce((
               SELECT sum(part.amount)
                 FROM quickscale_credits_creditholdallocation part
                 JOIN quickscale_credits_credithold hold ON hold.id = part.hold_id
                WHERE part.lot_id = lot.id AND hold.status = 'open'), 0)
     WHERE lot.account_id = p_account;

    UPDATE quickscale_credits_creditaccount account
       SET (posted, next_sequence) = (
               SELECT coalesce(sum(amount), 0), coalesce(max(sequence), 0) + 1
                 FROM quickscale_credits_credittransaction WHERE account_id = p_account),
           held = (
               SELECT coalesce(sum(amount), 0) FROM quickscale_credits_credithold
                WHERE account_id = p_account AND status = 'open'),
           next_due_at = least(
               (SELECT min(expires_at) FROM quickscale_credits_creditlot
                 WHERE account_id = p_account AND is_open AND remaining > held),
               (SELECT min(expires_at) FROM quickscale_credits_credithold
                 WHERE account_id = p_account AND status = 'open')),
           updated_at = quickscale_credits_clock()
     WHERE id = p_account;
END
$$;
