-- Refuse changes to an account's owner, except that it becomes null when the owner is deleted. The
-- values are compared here because a trigger that names the column would prevent changes to its
-- type, such as to longer user keys.
CREATE OR REPLACE FUNCTION quickscale_credits_keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.owner_id IS DISTINCT FROM OLD.owner_id AND NEW.owner_id IS NOT NULL THEN
        RAISE EXCEPTION 'account % keeps its owner', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
