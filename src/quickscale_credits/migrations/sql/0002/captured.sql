-- Return the transaction that captured a hold, for a capture that is repeated. There is none if the
-- capture took nothing.
CREATE OR REPLACE FUNCTION quickscale_credits_captured(p_hold bigint)
RETURNS quickscale_credits_outcome LANGUAGE plpgsql STABLE AS $$
DECLARE
    result quickscale_credits_outcome;
BEGIN
    result.answer := 'replayed';
    SELECT capture INTO result.entry
      FROM quickscale_credits_credittransaction capture WHERE hold_id = p_hold;
    RETURN result;
END
$$;
