-- Return what is wrong in the given accounts, or in all if p_accounts is null: figures that do not
-- follow from the journal, and lines that no operation would have written. All rules are one
-- statement, so that they see one snapshot while others write. PostgreSQL inlines it into the
-- calling query, where p_accounts is a constant: the rows of given accounts are found by index, and
-- those of all are scanned.
CREATE OR REPLACE FUNCTION quickscale_credits_verify(p_accounts bigint[] DEFAULT NULL)
RETURNS TABLE (account_id bigint, rule text, row_id bigint, expected text, actual text)
LANGUAGE sql STABLE AS $$
    WITH account AS (
        SELECT * FROM quickscale_credits_creditaccount
         WHERE p_accounts IS NULL OR id = ANY (p_accounts)),
    lot AS (
        SELECT lot.*,
               coalesce((SELECT sum(amount) FROM quickscale_credits_creditallocation
                          WHERE lot_id = lot.id), 0) AS allocated,
               (SELECT amount FROM quickscale_credits_creditallocation
                 WHERE lot_id = lot.id ORDER BY transaction_id LIMIT 1) AS opened,
               coalesce((SELECT sum(part.amount)
                           FROM quickscale_credits_creditholdallocation part
                           JOIN quickscale_credits_credithold hold ON hold.id = part.hold_id
                          WHERE part.lot_id = lot.id AND hold.status = 'open'), 0) AS set_aside,
               coalesce((SELECT sum(amount) FROM quickscale_credits_creditclaim
                          WHERE lot_id = lot.id), 0) AS claimed
          FROM quickscale_credits_creditlot lot
         WHERE p_accounts IS NULL OR account_id = ANY (p_accounts)),
    entry AS (
        SELECT entry.*,
               row_number() OVER history AS place,
               sum(amount) OVER history AS running,
               lag(created_at) OVER history AS follows,
               (SELECT sum(amount) FROM quickscale_credits_creditallocation
                 WHERE transaction_id = entry.id) AS allocated
          FROM quickscale_credits_credittransaction entry
         WHERE p_accounts IS NULL OR account_id = ANY (p_accounts)
        WINDOW history AS (PARTITION BY account_id ORDER BY sequence)),
    part AS (
        SELECT part.*, entry.account_id AS entry_account, entry.amount AS entry_amount, entry.kind,
               entry.reverses_id, entry.hold_id, lot.account_id AS lot_account, lot.credit_type
          FROM entry
         CROSS JOIN LATERAL (
               SELECT * FROM quickscale_credits_creditallocation
                WHERE transaction_id = entry.id
               OFFSET 0  -- use the index for each line, never scan the lines of all accounts
               ) part
          LEFT JOIN quickscale_credits_creditlot lot ON lot.id = part.lot_id),
    transferred AS (
        SELECT lot_id, coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS came,
               coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS went
          FROM part WHERE kind = 'transfer' GROUP BY lot_id),
    hold AS (
        SELECT hold.*,
               (SELECT sum(amount) FROM quickscale_credits_creditholdallocation
                 WHERE hold_id = hold.id) AS allocated
          FROM quickscale_credits_credithold hold
         WHERE p_accounts IS NULL OR account_id = ANY (p_accounts)),
    journal AS (
        SELECT account_id, sum(amount) AS amount, max(sequence) AS sequence
          FROM entry GROUP BY account_id),
    lots AS (
        SELECT account_id, sum(remaining) AS remaining,
               min(expires_at) FILTER (WHERE remaining > held) AS due_at
          FROM lot GROUP BY account_id),
    holds AS (
        SELECT account_id, sum(amount) AS amount, min(expires_at) AS due_at
          FROM hold WHERE status = 'open' GROUP BY account_id)
    SELECT id, 'account.posted is the sum of its transactions', id,
           coalesce(journal.amount, 0)::text, posted::text
      FROM account LEFT JOIN journal ON account_id = id WHERE posted <> coalesce(journal.amount, 0)
    UNION ALL
    SELECT id, 'account.posted is the sum of its lots', id, coalesce(remaining, 0)::text, posted::text
      FROM account LEFT JOIN lots ON account_id = id WHERE posted <> coalesce(remaining, 0)
    UNION ALL
    SELECT id, 'account.held is the sum of its open holds', id,
           coalesce(holds.amount, 0)::text, held::text
      FROM account LEFT JOIN holds ON account_id = id WHERE held <> coalesce(holds.amount, 0)
    UNION ALL
    SELECT id, 'account.next_sequence follows the last transaction', id,
           (coalesce(journal.sequence, 0) + 1)::text, next_sequence::text
      FROM account LEFT JOIN journal ON account_id = id
     WHERE next_sequence <> coalesce(journal.sequence, 0) + 1
    UNION ALL
    SELECT id, 'account.next_due_at is no later than the first end', id,
           least(lots.due_at, holds.due_at)::text, next_due_at::text
      FROM account LEFT JOIN lots ON lots.account_id = id LEFT JOIN holds ON holds.account_id = id
     WHERE least(lots.due_at, holds.due_at) < coalesce(next_due_at, 'infinity')
    UNION ALL
    SELECT id, 'account.' || field.name || ' is what its last change says', id,
           coalesce(last.new, field.first), field.value
      FROM account
     CROSS JOIN LATERAL (VALUES
           ('status', 'status', 'active', status),
           ('overdraft_limit', 'overdraft_limit', '0.0000', overdraft_limit::text),
           ('low_balance_threshold', 'low_balance', NULL, coalesce(low_balance_threshold::text, ''))
           ) field (name, kind, first, value)
      LEFT JOIN LATERAL (
           SELECT new FROM quickscale_credits_accountchange change
            WHERE change.account_id = account.id AND change.kind = field.kind
            ORDER BY change.id DESC LIMIT 1) last ON TRUE
     WHERE field.value <> coalesce(last.new, field.first)
    UNION ALL
    SELECT account_id, 'change follows the one before it', id, former, old
      FROM (SELECT *, lag(new) OVER (PARTITION BY account_id, kind ORDER BY id) AS former
              FROM quickscale_credits_accountchange
             WHERE p_accounts IS NULL OR account_id = ANY (p_accounts)) change
     WHERE old <> former
    UNION ALL
    SELECT account_id, 'lot.remaining is the sum of its allocations', id,
           allocated::text, remaining::text FROM lot WHERE remaining <> allocated
    UNION ALL
    SELECT account_id, 'lot.held is the sum of its open holds', id, set_aside::text, held::text
      FROM lot WHERE held <> set_aside
    UNION ALL
    SELECT account_id, 'lot.owed is the sum of its claims', id,
           claimed::text, owed::text FROM lot WHERE owed <> claimed
    UNION ALL
    SELECT account_id, 'lot.lost is what expired or was revoked', lot.id,
           coalesce(lost.amount, 0)::text, lot.lost::text
      FROM lot LEFT JOIN (
           SELECT loss.lot_id, loss.amount
             FROM account CROSS JOIN LATERAL quickscale_credits_verify_lost(account.id) loss
           ) lost ON lost.lot_id = lot.id
     WHERE lot.lost <> coalesce(lost.amount, 0)
    UNION ALL
    SELECT account_id, 'lot.amount is what opened it', id, opened::text, amount::text
      FROM lot WHERE amount IS DISTINCT FROM opened AND credit_type <> 'overdraft'
    UNION ALL
    SELECT account_id, 'lot is what was transferred to it, on the same terms', lot.id,
           concat_ws(' ', coalesce(transferred.came, 0), 'of', former.terms),
           concat_ws(' ', CASE WHEN transferred_from_id IS NULL THEN 0 ELSE amount END, 'of', lot.terms)
      FROM (SELECT *, CASE WHEN transferred_from_id IS NOT NULL THEN
                   (credit_type, priority, effective_at, expires_at, source_type, source_id)::text
                   END AS terms FROM lot) lot
      LEFT JOIN transferred ON lot_id = lot.id
      LEFT JOIN LATERAL (
           SELECT (
               credit_type, priority, effective_at, expires_at, source_type, source_id)::text AS terms
             FROM quickscale_credits_creditlot origin
            WHERE origin.id = lot.transferred_from_id
              AND origin.account_id <> lot.account_id) former ON TRUE
     WHERE coalesce(transferred.came, 0) <> CASE WHEN transferred_from_id IS NULL THEN 0 ELSE amount END
        OR former.terms IS DISTINCT FROM lot.terms
    UNION ALL
    SELECT account_id, 'lot.transfers are what was transferred from it', lot.id,
           coalesce(transferred.went, 0)::text, coalesce(made.amount, 0)::text
      FROM lot LEFT JOIN transferred ON lot_id = lot.id
      LEFT JOIN LATERAL (
           SELECT sum(amount) AS amount FROM quickscale_credits_creditlot
            WHERE transferred_from_id = lot.id AND transferred_from_id IS NOT NULL) made ON TRUE
     WHERE coalesce(transferred.went, 0) <> coalesce(made.amount, 0)
    UNION ALL
    SELECT account_id, 'transaction.amount is the sum of its allocations', id,
           allocated::text, amount::text FROM entry WHERE amount IS DISTINCT FROM allocated
    UNION ALL
    SELECT account_id, 'transaction.shortfall is what it claims', id,
           coalesce(claim.amount, 0)::text, shortfall::text  -- a use's shortfall is not claimed
      FROM entry LEFT JOIN (
           SELECT transaction_id AS id, sum(amount) AS amount FROM quickscale_credits_creditclaim
            WHERE (p_accounts IS NULL OR account_id = ANY (p_accounts))
              AND revocation_id = transaction_id
            GROUP BY transaction_id) claim USING (id)
     WHERE coalesce(claim.amount, 0) <> CASE kind WHEN 'consume' THEN 0 ELSE shortfall END
    UNION ALL
    SELECT lot.account_id, 'claim is of its account, and paid by what its transaction took', claim.id,
           concat(coalesce(later.amount, claim.amount), ' of account ', lot.account_id),
           concat(claim.amount, ' of account ', claim.account_id)
      FROM lot JOIN quickscale_credits_creditclaim claim ON claim.lot_id = lot.id
      LEFT JOIN entry later
        ON later.id = claim.transaction_id AND later.id <> claim.revocation_id AND later.kind = 'revoke'
     WHERE claim.account_id <> lot.account_id OR claim.amount <> later.amount
    UNION ALL
    SELECT account_id, 'transaction.sequence has no gap', id, place::text, sequence::text
      FROM entry WHERE sequence <> place
    UNION ALL
    SELECT account_id, 'transaction.balance_after is the running sum', id,
           running::text, balance_after::text FROM entry WHERE balance_after <> running
    UNION ALL
    SELECT original.account_id, 'reversals give back no more than was taken', original.id,
           (-original.amount)::text, back.amount::text
      FROM entry original
      JOIN (SELECT reverses_id, sum(amount) AS amount FROM entry GROUP BY reverses_id) back
        ON back.reverses_id = original.id
     WHERE back.amount > -original.amount
    UNION ALL
    SELECT account_id, 'transaction.created_at is not before the line before it', id,
           follows::text, created_at::text FROM entry WHERE created_at < follows
    UNION ALL
    SELECT entry.account_id, 'transaction.reverses is an earlier line of the account', entry.id,
           'a line before ' || entry.sequence, coalesce(original.sequence::text, 'none')
      FROM entry LEFT JOIN entry original
        ON original.id = entry.reverses_id AND original.account_id = entry.account_id
     WHERE entry.reverses_id IS NOT NULL
       AND (original.sequence < entry.sequence
            AND CASE entry.kind WHEN 'convert' THEN original.kind = 'convert'
                ELSE original.kind IN ('consume', 'adjust', 'revoke') END) IS NOT TRUE
    UNION ALL
    SELECT back.entry_account, 'reversals give back to the lots that were taken from',
           back.reverses_id, 'up to ' || -coalesce(taken.amount, 0) || ' to lot ' || back.lot_id,
           back.amount::text
      FROM (SELECT entry_account, reverses_id, lot_id, sum(amount) AS amount
              FROM part WHERE reverses_id IS NOT NULL
             GROUP BY entry_account, reverses_id, lot_id) back
      LEFT JOIN quickscale_credits_creditallocation taken
        ON taken.transaction_id = back.reverses_id AND taken.lot_id = back.lot_id
     WHERE back.amount NOT BETWEEN least(0, -coalesce(taken.amount, 0))
                           AND greatest(0, -coalesce(taken.amount, 0))
    UNION ALL
    SELECT entry_account, 'allocation.account is that of its transaction and lot', id,
           entry_account::text, concat_ws(', lot of ', account_id, lot_account)
      FROM part WHERE account_id <> entry_account OR lot_account IS DISTINCT FROM entry_account
    UNION ALL
    SELECT lot.account_id, 'allocation.account is that of its transaction and lot', stray.id,
           lot.account_id::text,
           coalesce('transaction of ' || other.account_id, 'no transaction')
      FROM lot JOIN quickscale_credits_creditallocation stray ON stray.lot_id = lot.id
      LEFT JOIN quickscale_credits_credittransaction other ON other.id = stray.transaction_id
     WHERE other.account_id IS DISTINCT FROM lot.account_id
    UNION ALL
    SELECT account_id, 'hold.amount is the sum of its allocations', id, allocated::text, amount::text
      FROM hold WHERE amount IS DISTINCT FROM allocated
    UNION ALL
    SELECT hold.account_id, 'allocation.account is that of its hold and lot', part.id,
           hold.account_id::text, concat_ws(', lot of ', part.account_id, lot.account_id)
      FROM hold
      JOIN quickscale_credits_creditholdallocation part ON part.hold_id = hold.id
      LEFT JOIN quickscale_credits_creditlot lot ON lot.id = part.lot_id
     WHERE part.account_id <> hold.account_id OR lot.account_id IS DISTINCT FROM hold.account_id
    UNION ALL
    SELECT hold.account_id, 'hold.captured is what its transaction took', hold.id,
           least(hold.amount, coalesce(-entry.amount, 0))::text, hold.captured::text
      FROM hold
      LEFT JOIN entry ON entry.hold_id = hold.id AND entry.account_id = hold.account_id
     WHERE hold.captured <> least(hold.amount, coalesce(-entry.amount, 0))
    UNION ALL
    SELECT entry.account_id, 'transaction.hold is one that was captured in its time', entry.id,
           'captured before ' || hold.expires_at,
           coalesce(hold.status || ' at ' || entry.created_at, 'no hold of the account')
      FROM entry LEFT JOIN hold ON hold.id = entry.hold_id AND hold.account_id = entry.account_id
     WHERE entry.hold_id IS NOT NULL
       AND (hold.status = 'captured' AND entry.created_at >= hold.created_at
            AND entry.created_at < hold.expires_at) IS NOT TRUE
    UNION ALL
    SELECT part.entry_account, 'captures take what was held', part.transaction_id,
           'at most ' || coalesce(aside.amount, 0) || ' of lot ' || part.lot_id, (-part.amount)::text
      FROM part JOIN hold ON hold.id = part.hold_id
      LEFT JOIN quickscale_credits_creditholdallocation aside
        ON aside.hold_id = part.hold_id AND aside.lot_id = part.lot_id
     WHERE -part.entry_amount <= hold.amount AND -part.amount > coalesce(aside.amount, 0)
    UNION ALL
    SELECT hold.account_id, 'settlements take all of their hold first', entry.id,
           'at least ' || aside.amount || ' of lot ' || aside.lot_id,
           coalesce(-part.amount, 0)::text
      FROM entry JOIN hold ON hold.id = entry.hold_id AND -entry.amount > hold.amount
      JOIN quickscale_credits_creditholdallocation aside ON aside.hold_id = hold.id
      LEFT JOIN part ON part.transaction_id = entry.id AND part.lot_id = aside.lot_id
     WHERE coalesce(-part.amount, 0) < aside.amount
    UNION ALL
    SELECT usage.account_id, 'usage.cost less its shortfall is what its transaction took', usage.id,
           coalesce(-entry.amount, 0)::text,
           (usage.cost - usage.shortfall)::text
      FROM (SELECT * FROM quickscale_credits_serviceusage
             WHERE p_accounts IS NULL OR account_id = ANY (p_accounts)) usage
      LEFT JOIN entry ON entry.id = usage.transaction_id AND entry.account_id = usage.account_id
     WHERE usage.cost - usage.shortfall <> coalesce(-entry.amount, 0)
        OR usage.transaction_id IS NOT NULL AND entry.id IS NULL
    UNION ALL
    SELECT account.id, spends.rule, spends.row_id, spends.expected, spends.actual
      FROM account CROSS JOIN LATERAL quickscale_credits_verify_spends(account.id) spends
    ORDER BY 1, 2, 3
$$;
