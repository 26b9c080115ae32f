-- Check that each transaction follows the one before it, that the last one leaves the balance that
-- the account has, and that the allocations of each one sum to its amount. In a restore of the data
-- alone, transactions may be loaded before their allocations. They are recorded, and
-- check_unexplained checks them at commit.
CREATE OR REPLACE FUNCTION quickscale_credits_check_transactions() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET search_path FROM CURRENT AS $$
DECLARE
    wrong record;
BEGIN
    SELECT * INTO wrong FROM (
        SELECT account_id, sequence, CASE
            WHEN balance_after - amount IS DISTINCT FROM CASE sequence WHEN 1 THEN 0 ELSE (
                    SELECT CASE former.sequence WHEN entry.sequence - 1 THEN balance_after END
                      FROM quickscale_credits_credittransaction former
                     WHERE former.account_id = entry.account_id
                       AND former.sequence < entry.sequence
                     ORDER BY former.sequence DESC LIMIT 1) END
                THEN 'does not follow the one before it'
            WHEN (SELECT CASE next_sequence WHEN entry.sequence + 1 THEN posted = balance_after
                         ELSE next_sequence > entry.sequence AND entry.sequence + 1 = (
                              SELECT later.sequence
                                FROM quickscale_credits_credittransaction later
                               WHERE later.account_id = entry.account_id
                                 AND later.sequence > entry.sequence
                               ORDER BY later.sequence LIMIT 1) END
                    FROM quickscale_credits_creditaccount
                   WHERE id = entry.account_id) IS NOT TRUE
                THEN 'is not counted by its account'
            WHEN explained IS NULL THEN 'has no allocation'
            WHEN explained <> amount THEN 'is not what its allocations sum to' END AS fault
          FROM (SELECT *, (SELECT sum(part.amount) FROM quickscale_credits_creditallocation part
                            WHERE part.transaction_id = added.id) AS explained
                  FROM added OFFSET 0) entry) checked
     WHERE fault IS NOT NULL
     ORDER BY fault = 'has no allocation'
     LIMIT 1;
    IF wrong.fault = 'has no allocation' THEN
        INSERT INTO quickscale_credits_unexplained
        SELECT id FROM added WHERE NOT EXISTS (
            SELECT FROM quickscale_credits_creditallocation WHERE transaction_id = added.id);
    ELSIF FOUND THEN
        RAISE EXCEPTION 'transaction % of account % %',
            wrong.sequence, wrong.account_id, wrong.fault
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
