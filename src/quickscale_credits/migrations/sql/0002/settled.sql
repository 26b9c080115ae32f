-- Return how a settlement at p_at, posted or not, changes a lot.
CREATE OR REPLACE FUNCTION quickscale_credits_settled(p_account bigint, p_lot bigint, p_at timestamptz)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(part.amount), 0)
      FROM quickscale_credits_settlement(p_account, p_at) step,
           unnest(step.lots, step.parts) part (lot_id, amount)
     WHERE part.lot_id = p_lot
$$;
