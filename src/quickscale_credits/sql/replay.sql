-- The answer to a key that the account has seen; null for a new one.
CREATE OR REPLACE FUNCTION quickscale_credits_replay(
    p_account bigint,
    p_key text,
    p_fingerprint text
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    result quickscale_credits_outcome;
BEGIN
    SELECT CASE WHEN fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END, NULL, NULL,
           id, account_id, sequence, kind, amount, balance_after, shortfall, description,
           service_id, actor_id, hold_id, reverses_id, idempotency_key, fingerprint, metadata,
           created_at
      INTO result
      FROM quickscale_credits_credittransaction
     WHERE account_id = p_account AND idempotency_key = p_key AND idempotency_key <> '';
    RETURN result;
END
$$;
