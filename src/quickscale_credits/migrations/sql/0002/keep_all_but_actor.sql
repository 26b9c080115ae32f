-- Refuse changes to a row, except that the actor becomes null when that user is deleted.
CREATE OR REPLACE FUNCTION quickscale_credits_keep_all_but_actor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actor_id IS NOT NULL OR to_jsonb(NEW) - 'actor_id' <> to_jsonb(OLD) - 'actor_id' THEN
        RAISE EXCEPTION '% keeps what it has: UPDATE is refused', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
