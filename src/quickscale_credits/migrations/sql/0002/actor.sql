-- The key of a user from its text. Its type is the site's own, and that of the column p_like.
CREATE OR REPLACE FUNCTION quickscale_credits_actor(p_actor text, p_like anyelement)
RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN p_actor;
END
$$;
