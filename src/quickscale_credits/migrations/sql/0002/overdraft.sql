-- Return the account's overdraft lot, which is created on first use, and how much of the limit is
-- left.
CREATE OR REPLACE FUNCTION quickscale_credits_overdraft(
    p_account bigint,
    p_limit numeric,
    p_at timestamptz,
    OUT lot_id bigint,
    OUT free numeric
) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quickscale_credits_creditlot (
        account_id, credit_type, priority, amount, remaining, effective_at, created_at)
    VALUES (p_account, 'overdraft', 32767, 0, 0, p_at, p_at)
    ON CONFLICT (account_id) WHERE credit_type = 'overdraft' DO NOTHING;
    SELECT id, p_limit + remaining - held INTO lot_id, free
      FROM quickscale_credits_creditlot
     WHERE account_id = p_account AND credit_type = 'overdraft';
END
$$;
