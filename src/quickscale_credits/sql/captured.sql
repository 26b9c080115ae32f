-- The transaction that captured a hold, as the answer to the same capture again; nothing
-- when it took nothing.
CREATE OR REPLACE FUNCTION quickscale_credits_captured(p_hold bigint)
RETURNS quickscale_credits_outcome LANGUAGE plpgsql STABLE AS $$
DECLARE
    result quickscale_credits_outcome;
BEGIN
    SELECT 'replayed', NULL, NULL, id, account_id, sequence, kind, amount, balance_after, shortfall,
           description, service_id, actor_id, hold_id, reverses_id, idempotency_key, fingerprint,
           metadata, created_at
      INTO result
      FROM quickscale_credits_credittransaction WHERE hold_id = p_hold;
    result.answer := 'replayed';
    RETURN result;
END
$$;
