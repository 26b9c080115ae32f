-- Free credits pay the overdraft back: a conversion, which moves credits between lots and leaves the
-- balance as it is. The caller holds the account's lock and has posted what is due.
CREATE FUNCTION quickscale_credits_repay(p_account bigint, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    debt record;
    lot record;
    entry quickscale_credits_credittransaction;
    lots bigint[];
    parts numeric[];
    owed numeric;
    part numeric;
BEGIN
    SELECT id, -remaining AS owed INTO debt FROM quickscale_credits_creditlot
     WHERE account_id = p_account AND credit_type = 'overdraft' AND is_open;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    owed := debt.owed;
    FOR lot IN
        SELECT id, remaining - held AS free FROM quickscale_credits_creditlot
         WHERE account_id = p_account AND is_open AND remaining > held
           AND effective_at <= p_at AND (expires_at IS NULL OR expires_at > p_at)
         ORDER BY priority, expires_at, id
    LOOP
        part := least(lot.free, owed);
        lots := lots || lot.id;
        parts := parts || -part;
        owed := owed - part;
        EXIT WHEN owed = 0;
    END LOOP;
    IF owed = debt.owed THEN
        RETURN;
    END IF;
    entry.account_id := p_account;
    entry.kind := 'convert';
    entry.amount := 0;
    entry.description := 'Overdraft paid back';
    entry.created_at := p_at;
    PERFORM quickscale_credits_post(
        entry, lots || debt.id, parts || (debt.owed - owed));
END
$$;
