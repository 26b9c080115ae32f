-- Release a hold: its credits are free again, and those of a lot that has ended expire at once.
CREATE OR REPLACE FUNCTION quickscale_credits_release(p_hold bigint)
RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(
        (SELECT account_id FROM quickscale_credits_credithold WHERE id = p_hold));
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    hold quickscale_credits_credithold;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT * INTO hold FROM quickscale_credits_credithold WHERE id = p_hold;
    IF hold.status <> 'open' THEN
        result.answer := 'hold ' || hold.status;
        RETURN result;
    END IF;
    IF quickscale_credits_close_hold(hold, 'released', 0, moment) <= moment THEN
        PERFORM quickscale_credits_post_due(account.id, moment, moment);
    END IF;
    SELECT * INTO hold FROM quickscale_credits_credithold WHERE id = p_hold;
    result.answer := 'posted';
    result.hold := hold;
    RETURN result;
END
$$;
