-- Return what each lot of an account has lost according to its journal: what expired, was revoked
-- or was transferred, less what reversals of revocations gave back. What the overdraft paid for a
-- revocation counts for the revoked lot, which is the first of that transaction.
CREATE OR REPLACE FUNCTION quickscale_credits_verify_lost(p_account bigint)
RETURNS TABLE (lot_id bigint, amount numeric) LANGUAGE sql STABLE AS $$
    WITH line AS (
        SELECT entry.id, kind, reverses_id, part.id AS part, part.lot_id, part.amount
          FROM quickscale_credits_credittransaction entry
         CROSS JOIN LATERAL (
               SELECT id, lot_id, amount FROM quickscale_credits_creditallocation
                WHERE transaction_id = entry.id
               OFFSET 0) part
         WHERE entry.account_id = p_account AND kind IN ('expire', 'revoke', 'reverse', 'transfer')),
    revocation AS (
        SELECT id, (array_agg(lot_id ORDER BY part))[1] AS lot_id
          FROM line WHERE kind = 'revoke' GROUP BY id)
    SELECT CASE credit_type WHEN 'overdraft' THEN revocation.lot_id ELSE line.lot_id END,
           -sum(line.amount)
      FROM line
      JOIN quickscale_credits_creditlot lot ON lot.id = line.lot_id
      LEFT JOIN revocation ON revocation.id = coalesce(line.reverses_id, line.id)
     WHERE line.kind = 'expire' OR line.kind = 'transfer' AND line.amount < 0
        OR revocation.id IS NOT NULL
     GROUP BY 1
$$;
