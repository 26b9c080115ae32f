-- Return the lots from which a transaction took p_amount, after p_from has been given back: the
-- lots used last come first.
CREATE OR REPLACE FUNCTION quickscale_credits_taken(
    p_transaction bigint,
    p_from numeric,
    p_amount numeric,
    OUT lots bigint[],
    OUT parts numeric[]
) LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(lot_id ORDER BY id DESC), '{}'),
           coalesce(array_agg(
               least(upto, p_from + p_amount) - greatest(upto - amount, p_from)
               ORDER BY id DESC), '{}')
      FROM (SELECT id, lot_id, -amount AS amount, sum(-amount) OVER (ORDER BY id DESC) AS upto
              FROM quickscale_credits_creditallocation
             WHERE transaction_id = p_transaction AND amount < 0) stretch
     WHERE upto > p_from AND upto - amount < p_from + p_amount
$$;
