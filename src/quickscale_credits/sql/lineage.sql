-- Return a lot, followed by the lots that conversions and roll-overs made from it, with what each
-- of them has lost, owes and has free. It follows the lots by their indexes, whatever the size of
-- the table.
CREATE OR REPLACE FUNCTION quickscale_credits_lineage(p_lot bigint)
RETURNS TABLE (lot_id bigint, lost numeric, owed numeric, free numeric) LANGUAGE sql STABLE
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    WITH RECURSIVE line AS (
        SELECT * FROM quickscale_credits_creditlot WHERE id = p_lot
        UNION ALL
        SELECT child.* FROM quickscale_credits_creditlot child JOIN line ON child.parent_id = line.id)
    SELECT id, line.lost, line.owed, remaining - held FROM line
$$;
