-- Return the transaction that opened a lot, for an operation that is repeated for the same source.
CREATE OR REPLACE FUNCTION quickscale_credits_first_transaction(p_lot bigint)
RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    result quickscale_credits_outcome;
BEGIN
    result.answer := 'replayed';
    SELECT opening INTO result.entry
      FROM quickscale_credits_credittransaction opening
     WHERE id = (
         SELECT transaction_id FROM quickscale_credits_creditallocation
          WHERE lot_id = p_lot ORDER BY transaction_id LIMIT 1);
    RETURN result;
END
$$;
