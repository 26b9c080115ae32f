-- End a hold and free its credits. Returns when something is next due on the account. If a lot of
-- the hold has ended, or if the account owes credits, that is at once.
CREATE OR REPLACE FUNCTION quickscale_credits_close_hold(
    p_hold quickscale_credits_credithold,
    p_status text,
    p_captured numeric,
    p_at timestamptz
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    lots_end timestamptz;
    due_at timestamptz;
BEGIN
    UPDATE quickscale_credits_credithold
       SET status = p_status, captured = p_captured, closed_at = p_at
     WHERE id = p_hold.id;

    WITH freed AS (
        UPDATE quickscale_credits_creditlot lot
           SET held = lot.held - part.amount
          FROM quickscale_credits_creditholdallocation part
         WHERE part.hold_id = p_hold.id AND lot.id = part.lot_id
        RETURNING lot.expires_at)
    SELECT min(expires_at) INTO lots_end FROM freed;
    IF quickscale_credits_owes(p_hold.account_id) THEN
        lots_end := p_at;
    END IF;

    UPDATE quickscale_credits_creditaccount
       SET held = held - p_hold.amount,
           next_due_at = least(next_due_at, lots_end),
           updated_at = p_at
     WHERE id = p_hold.account_id
    RETURNING next_due_at INTO due_at;
    RETURN due_at;
END
$$;
