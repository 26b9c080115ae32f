-- Note what an account was allowed to do before and is now. The caller holds the account's lock.
CREATE OR REPLACE FUNCTION quickscale_credits_note_change(
    p_account bigint,
    p_kind text,
    p_old text,
    p_new text,
    p_actor text,
    p_reason text,
    p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quickscale_credits_accountchange (
        account_id, kind, old, new, actor_id, reason, created_at)
    SELECT p_account, p_kind, coalesce(p_old, ''), coalesce(p_new, ''),
           CASE WHEN p_actor IS NOT NULL THEN quickscale_credits_actor(
               p_actor, (NULL::quickscale_credits_accountchange).actor_id) END,
           p_reason, p_at;
END
$$;
