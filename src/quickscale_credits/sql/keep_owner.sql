-- An account keeps its owner, but that the owner may go. A trigger that names the column would keep its
-- type from being changed, as when keys of users become longer; so the values are compared here.
CREATE OR REPLACE FUNCTION quickscale_credits_keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.owner_id IS DISTINCT FROM OLD.owner_id AND NEW.owner_id IS NOT NULL THEN
        RAISE EXCEPTION 'account % keeps its owner', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
