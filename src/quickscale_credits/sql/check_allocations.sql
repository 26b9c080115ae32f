-- Check that the allocations of a transaction sum to its amount. All of them must be inserted by
-- one statement. Nothing may be added later, not even allocations that sum to zero. Each check uses
-- an index, even if the tables were small when it was planned.
--
-- A restore of the data alone loads table by table, in any order, with an empty search_path. So
-- allocations may be loaded before their transaction, whose foreign key is checked at commit.
CREATE OR REPLACE FUNCTION quickscale_credits_check_allocations() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM (
        SELECT transaction_id, sum(amount) AS amount, count(*) AS parts
          FROM added GROUP BY transaction_id
    ) written
     WHERE written.amount <> (
               SELECT entry.amount FROM quickscale_credits_credittransaction entry
                WHERE entry.id = written.transaction_id)
        OR written.parts <> (
               SELECT count(*) FROM quickscale_credits_creditallocation part
                WHERE part.transaction_id = written.transaction_id);
    IF FOUND THEN
        RAISE EXCEPTION 'the allocations of a transaction do not sum to its amount, or come late'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
