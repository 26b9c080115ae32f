-- A lot and the lots that conversions and roll-overs made of it, it first; and of each what is free,
-- and what was used or is held without being owed yet.
CREATE FUNCTION quickscale_credits_lineage(p_lot bigint)
RETURNS TABLE (
    lot_id bigint, amount numeric, gone numeric, owed numeric, free numeric, used numeric, held numeric)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE line AS (
        SELECT * FROM quickscale_credits_creditlot WHERE id = p_lot
        UNION ALL
        SELECT child.* FROM quickscale_credits_creditlot child JOIN line ON child.parent_id = line.id)
    SELECT id, line.amount, line.gone, revoked_due, remaining - line.held,
           greatest(0, line.amount - remaining + line.held - line.gone - revoked_due - coalesce((
               SELECT sum(child.amount) FROM quickscale_credits_creditlot child
                WHERE child.parent_id = line.id), 0)),
           line.held
      FROM line
$$;
