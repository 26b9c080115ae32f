-- Return the lots that provide the first p_amount of a hold, in the order in which the hold chose
-- them.
CREATE OR REPLACE FUNCTION quickscale_credits_hold_parts(p_hold bigint, p_amount numeric)
RETURNS TABLE (id bigint, lot_id bigint, part numeric) LANGUAGE sql STABLE AS $$
    SELECT id, lot_id, part
      FROM (SELECT id, lot_id,
                   least(amount, p_amount - (sum(amount) OVER (ORDER BY id) - amount)) AS part
              FROM quickscale_credits_creditholdallocation WHERE hold_id = p_hold) split
     WHERE part > 0
$$;
