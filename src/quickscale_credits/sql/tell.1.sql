-- Put an event into the outbox.
CREATE FUNCTION quickscale_credits_tell(
    p_account bigint,
    p_kind text,
    p_payload jsonb,
    p_at timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO quickscale_credits_creditevent (
        account_id, kind, payload, created_at, next_attempt_at)
    VALUES (p_account, p_kind, p_payload, p_at, p_at)
$$;
