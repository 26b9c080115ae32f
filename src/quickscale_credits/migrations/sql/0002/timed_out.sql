-- Return how much of a lot is set aside by holds that are still open although they have expired at
-- p_at.
CREATE OR REPLACE FUNCTION quickscale_credits_timed_out(p_lot bigint, p_at timestamptz)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(part.amount), 0)
      FROM quickscale_credits_creditholdallocation part
      JOIN quickscale_credits_credithold hold ON hold.id = part.hold_id
     WHERE part.lot_id = p_lot AND hold.status = 'open' AND hold.expires_at <= p_at
$$;
