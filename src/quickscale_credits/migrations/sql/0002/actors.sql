-- Return which of the users exist, and lock their rows until the transaction ends. The site chooses
-- the table of its users, so it is found by the foreign key of a transaction's actor.
CREATE OR REPLACE FUNCTION quickscale_credits_actors(p_actors text[])
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    present text[];
BEGIN
    EXECUTE (
        SELECT format(
                   'SELECT ARRAY(SELECT %1$I::text FROM %2$s'
                   ' WHERE %1$I = ANY ($1::text[]::%3$s[]) FOR KEY SHARE)',
                   field.attname, field.attrelid::regclass, format_type(field.atttypid, NULL))
          FROM pg_constraint link
          JOIN pg_attribute actor
            ON actor.attrelid = link.conrelid AND actor.attname = 'actor_id'
          JOIN pg_attribute field
            ON field.attrelid = link.confrelid AND field.attnum = link.confkey[1]
         WHERE link.conrelid = 'quickscale_credits_credittransaction'::regclass
           AND link.contype = 'f' AND link.conkey = ARRAY[actor.attnum])
      INTO present USING p_actors;
    RETURN present;
END
$$;
