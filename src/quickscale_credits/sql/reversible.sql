-- Return how much of what a transaction took can still be given back.
CREATE OR REPLACE FUNCTION quickscale_credits_reversible(p_entry quickscale_credits_credittransaction)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT -p_entry.amount - coalesce(sum(amount), 0)
      FROM quickscale_credits_credittransaction WHERE reverses_id = p_entry.id
$$;
