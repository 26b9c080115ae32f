-- Free credits pay the overdraft back: a conversion, which moves credits between lots and leaves the
-- balance as it is. The caller holds the account's lock and has posted what is due.
CREATE FUNCTION quickscale_credits_repay(
    p_account quickscale_credits_creditaccount,
    p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    payer quickscale_credits_creditaccount := p_account;
    debt record;
    picked record;
    paid numeric;
BEGIN
    SELECT id, -remaining AS owed INTO debt FROM quickscale_credits_creditlot
     WHERE account_id = p_account.id AND credit_type = 'overdraft' AND remaining < 0;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    payer.overdraft_limit := 0;
    picked := quickscale_credits_pick(payer, debt.owed, p_at);
    paid := coalesce(picked.available, debt.owed);
    IF paid > 0 THEN
        PERFORM quickscale_credits_post(
            p_account.id, 'convert', 0, 'Overdraft paid back',
            picked.lots || debt.id, picked.parts || paid, p_at);
    END IF;
END
$$;
