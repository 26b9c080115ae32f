-- Refuse changes to a hold's actor, except that it becomes null when that user is deleted. The
-- values are compared here for the same reason as in keep_owner.
CREATE OR REPLACE FUNCTION quickscale_credits_keep_actor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actor_id IS DISTINCT FROM OLD.actor_id AND NEW.actor_id IS NOT NULL THEN
        RAISE EXCEPTION 'hold % keeps its actor', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
