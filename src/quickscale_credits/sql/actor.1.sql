-- The key of a user from its text: its type is the site's own.
CREATE FUNCTION quickscale_credits_actor(p_actor text)
RETURNS quickscale_credits_credittransaction.actor_id%TYPE LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN p_actor;
END
$$;
