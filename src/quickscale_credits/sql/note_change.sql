-- Record a change to what an account may do. The caller holds the account's lock.
CREATE OR REPLACE FUNCTION quickscale_credits_note_change(
    p_account bigint,
    p_kind text,
    p_old text,
    p_new text,
    p_actor text,
    p_reason text,
    p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    actor quickscale_credits_accountchange.actor_id%TYPE := p_actor;
BEGIN
    INSERT INTO quickscale_credits_accountchange (
        account_id, kind, old, new, actor_id, reason, created_at)
    VALUES (
        p_account, p_kind, coalesce(p_old, ''), coalesce(p_new, ''), actor, p_reason, p_at);
END
$$;
