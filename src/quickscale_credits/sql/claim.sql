-- Change what a lot, and the lots that were made from it, owe to a revocation.
CREATE OR REPLACE FUNCTION quickscale_credits_claim(
    p_account bigint,
    p_lot bigint,
    p_revocation bigint,
    p_transaction bigint,
    p_amount numeric,
    p_freezes boolean DEFAULT false
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO quickscale_credits_creditclaim (
        account_id, lot_id, revocation_id, transaction_id, amount, freezes)
    VALUES (p_account, p_lot, p_revocation, p_transaction, p_amount, p_freezes);
    UPDATE quickscale_credits_creditlot SET owed = owed + p_amount WHERE id = p_lot;
$$;
