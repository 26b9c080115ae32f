-- Give back p_amount of what a transaction took, to the same lots, in reverse order. If an
-- overdraft has been paid back since, the credits that paid it return to their lots. The caller
-- holds the account's lock, has checked that this amount can be given back, and then posts what is
-- due.
CREATE OR REPLACE FUNCTION quickscale_credits_give_back(
    p_original quickscale_credits_credittransaction,
    p_amount numeric,
    p_description text,
    p_at timestamptz,
    p_actor text,
    p_key text DEFAULT '',
    p_fingerprint text DEFAULT '',
    p_metadata jsonb DEFAULT '{}'
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    given_back numeric := -p_original.amount - quickscale_credits_reversible(p_original);
    back record := quickscale_credits_taken(p_original.id, given_back, p_amount);
    overdraft record;
    first_lot bigint;
BEGIN
    SELECT lot_id INTO first_lot FROM quickscale_credits_creditallocation
     WHERE transaction_id = p_original.id ORDER BY id LIMIT 1;
    SELECT lot.id, lot.remaining, part.amount INTO overdraft
      FROM unnest(back.lots, back.parts) part (lot_id, amount)
      JOIN quickscale_credits_creditlot lot ON lot.id = part.lot_id
     WHERE lot.credit_type = 'overdraft';
    IF p_original.kind = 'revoke' THEN
        UPDATE quickscale_credits_creditlot lot SET lost = lot.lost - part.amount
          FROM unnest(back.lots, back.parts) part (lot_id, amount)
         WHERE lot.id = part.lot_id AND lot.credit_type <> 'overdraft';
        UPDATE quickscale_credits_creditlot SET lost = lost - overdraft.amount
         WHERE id = first_lot AND overdraft.id IS NOT NULL;
    END IF;
    IF overdraft.amount > -overdraft.remaining THEN
        PERFORM quickscale_credits_unpay(
            p_original.account_id, overdraft.id, overdraft.amount + overdraft.remaining, p_at);
    END IF;
    IF p_amount = 0 THEN
        back.lots := ARRAY[first_lot];
        back.parts := '{0}';
    END IF;
    RETURN quickscale_credits_post(
        p_original.account_id, 'reverse', p_amount, p_description, back.lots, back.parts, p_at,
        p_original.service_id, p_actor, p_reverses => p_original.id, p_key => p_key,
        p_fingerprint => p_fingerprint, p_metadata => p_metadata);
END
$$;
