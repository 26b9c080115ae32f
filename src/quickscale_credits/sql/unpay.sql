-- Return p_amount that paid the overdraft to its lots, from the newest payment to the oldest. The
-- overdraft's use grows by the same amount, and each line reverses its payment. The caller holds
-- the account's lock, and then gives the overdraft what it needs.
CREATE OR REPLACE FUNCTION quickscale_credits_unpay(
    p_account bigint,
    p_overdraft bigint,
    p_amount numeric,
    p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    payment record;
    undone numeric;
    part numeric;
    back record;
BEGIN
    FOR payment IN
        SELECT transaction_id AS id, amount FROM quickscale_credits_creditallocation
         WHERE lot_id = p_overdraft AND amount > 0 AND EXISTS (
               SELECT FROM quickscale_credits_credittransaction
                WHERE id = transaction_id AND kind = 'convert')
         ORDER BY transaction_id DESC
    LOOP
        SELECT coalesce(-sum(part.amount), 0) INTO undone
          FROM quickscale_credits_credittransaction undo
          JOIN quickscale_credits_creditallocation part ON part.transaction_id = undo.id
         WHERE undo.reverses_id = payment.id AND part.lot_id = p_overdraft;
        part := least(p_amount, payment.amount - undone);
        CONTINUE WHEN part = 0;
        back := quickscale_credits_taken(payment.id, undone, part);
        PERFORM quickscale_credits_post(
            p_account, 'convert', 0, 'Payment of the overdraft undone', back.lots || p_overdraft,
            back.parts || -part, p_at, p_reverses => payment.id);
        p_amount := p_amount - part;
        EXIT WHEN p_amount = 0;
    END LOOP;
    IF p_amount > 0 THEN
        RAISE EXCEPTION 'account % has no line that paid % of its overdraft back', p_account, p_amount
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
END
$$;
