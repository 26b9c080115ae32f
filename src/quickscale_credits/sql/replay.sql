-- Return the answer to a key that the account knows, or null for a new key.
CREATE OR REPLACE FUNCTION quickscale_credits_replay(
    p_account bigint,
    p_key text,
    p_fingerprint text
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    result quickscale_credits_outcome;
BEGIN
    SELECT CASE WHEN fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END, known
      INTO result.answer, result.entry
      FROM quickscale_credits_credittransaction known
     WHERE account_id = p_account AND idempotency_key = p_key AND idempotency_key <> '';
    RETURN result;
END
$$;
