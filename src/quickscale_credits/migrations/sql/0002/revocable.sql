-- Return how much of a lot can still be revoked, spent or not: its amount, less what it and the
-- lots made from it have lost or owe. It is never more than for the lots that it was made from.
CREATE OR REPLACE FUNCTION quickscale_credits_revocable(p_lot bigint)
RETURNS numeric LANGUAGE sql STABLE
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    WITH RECURSIVE origin AS (
        SELECT id, amount, parent_id FROM quickscale_credits_creditlot WHERE id = p_lot
        UNION ALL
        SELECT parent.id, parent.amount, parent.parent_id
          FROM quickscale_credits_creditlot parent JOIN origin ON parent.id = origin.parent_id)
    SELECT greatest(0, min(amount - (
               SELECT sum(line.lost + line.owed) FROM quickscale_credits_lineage(origin.id) line)))
      FROM origin
$$;
