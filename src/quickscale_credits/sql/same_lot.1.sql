-- The answer to adding credits for a source that has its lot: the lot's first transaction, or a
-- conflict when account, amount, type or end differ.
CREATE FUNCTION quickscale_credits_same_lot(
    p_lot quickscale_credits_creditlot,
    p_account bigint,
    p_amount numeric,
    p_type text,
    p_expires_at timestamptz
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    result quickscale_credits_outcome;
BEGIN
    IF (p_lot.account_id, p_lot.amount, p_lot.credit_type) <> (p_account, p_amount, p_type)
            OR p_lot.expires_at IS DISTINCT FROM p_expires_at THEN
        result.status := 'conflict';
        RETURN result;
    END IF;
    SELECT transaction_id INTO result.entry.id FROM quickscale_credits_creditallocation
     WHERE lot_id = p_lot.id ORDER BY transaction_id LIMIT 1;
    SELECT * INTO result.entry FROM quickscale_credits_credittransaction
     WHERE id = result.entry.id;
    result.status := 'replayed';
    RETURN result;
END
$$;
