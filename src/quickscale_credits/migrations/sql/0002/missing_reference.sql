-- Return 'gone actor' or 'gone service' if the row does not exist, else null. The rows are locked
-- until the transaction ends. Call it before locking the account: other code also locks the user
-- first.
CREATE OR REPLACE FUNCTION quickscale_credits_missing_reference(p_actor text, p_service bigint DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF p_service IS NOT NULL THEN
        PERFORM FROM quickscale_credits_service WHERE id = p_service FOR KEY SHARE;
        IF NOT FOUND THEN
            RETURN 'gone service';
        END IF;
    END IF;
    IF p_actor IS NOT NULL AND p_actor <> ALL (quickscale_credits_actors(ARRAY[p_actor])) THEN
        RETURN 'gone actor';
    END IF;
    RETURN NULL;
END
$$;
