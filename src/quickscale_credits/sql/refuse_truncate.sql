-- Refuse TRUNCATE, unless the accounts are emptied with it, as Django's flush does between tests.
CREATE OR REPLACE FUNCTION quickscale_credits_refuse_truncate() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM quickscale_credits_creditaccount) THEN
        RAISE EXCEPTION '% is append-only: TRUNCATE is refused while accounts exist', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
