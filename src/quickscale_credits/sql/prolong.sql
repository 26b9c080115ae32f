-- Extend an open hold until p_ttl from now. It never makes the hold end earlier.
CREATE OR REPLACE FUNCTION quickscale_credits_prolong(p_hold bigint, p_ttl interval)
RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    hold quickscale_credits_credithold;
    begun record := quickscale_credits_enter(
        (SELECT account_id FROM quickscale_credits_credithold WHERE id = p_hold));
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    UPDATE quickscale_credits_credithold
       SET expires_at = greatest(expires_at, moment + p_ttl)
     WHERE id = p_hold AND status = 'open'
    RETURNING * INTO hold;
    IF FOUND THEN
        result.answer := 'posted';
        result.hold := hold;
    ELSE
        SELECT 'hold ' || status INTO result.answer
          FROM quickscale_credits_credithold WHERE id = p_hold;
    END IF;
    RETURN result;
END
$$;
