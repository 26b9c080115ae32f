-- Check at commit that a transaction that was loaded before its allocations has some.
CREATE OR REPLACE FUNCTION quickscale_credits_check_unexplained() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM quickscale_credits_creditallocation WHERE transaction_id = NEW.transaction_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transaction % has no allocation', NEW.transaction_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    DELETE FROM quickscale_credits_unexplained WHERE transaction_id = NEW.transaction_id;
    RETURN NULL;
END
$$;
