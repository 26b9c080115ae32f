-- Charge for work that is done: take p_amount from its hold if that is open, then the rest from
-- free credits in the order of a spend, and then from the overdraft. Missing credits, or a frozen
-- or closed account, don't make it refuse: what is missing is the line's shortfall, and an event
-- reports it. A settlement for 0 writes no line. If there is nothing to take, the line is 0 and is
-- allocated to the overdraft.
CREATE OR REPLACE FUNCTION quickscale_credits_settle(
    p_account bigint,
    p_hold bigint,
    p_amount numeric,
    p_description text,
    p_service bigint,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record;
    account quickscale_credits_creditaccount;
    hold quickscale_credits_credithold;
    missing numeric := p_amount;
    picked record;
    lots bigint[];
    parts numeric[];
    due_at timestamptz;
    result quickscale_credits_outcome;
    moment timestamptz;
BEGIN
    -- The work of a deleted actor is still charged.
    IF quickscale_credits_missing_reference(p_actor) IS NOT NULL THEN
        p_actor := NULL;
    END IF;
    begun := quickscale_credits_enter(p_account, NULL, p_service, p_key, p_fingerprint);
    account := begun.account;
    moment := begun.moment;
    result := begun.result;
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT * INTO hold FROM quickscale_credits_credithold
     WHERE id = p_hold AND account_id = p_account;
    IF hold.status = 'captured' THEN
        result := quickscale_credits_captured(p_hold);
        IF p_amount <> coalesce((result.entry).shortfall - (result.entry).amount, 0) THEN
            result := NULL;
            result.answer := 'hold captured';
        END IF;
        RETURN result;
    ELSIF hold.status = 'open' THEN
        SELECT array_agg(lot_id ORDER BY id), array_agg(-part ORDER BY id), p_amount - sum(part)
          INTO lots, parts, missing
          FROM quickscale_credits_hold_parts(p_hold, p_amount);
        missing := coalesce(missing, p_amount);
    ELSE
        hold := NULL;
    END IF;

    IF missing > 0 AND account.status <> 'closed' THEN
        picked := quickscale_credits_pick(account, missing, moment);
        missing := missing - coalesce(picked.available, missing);
        SELECT array_agg(lot_id ORDER BY place), array_agg(part ORDER BY place)
          INTO lots, parts
          FROM (SELECT lot_id, sum(part) AS part, min(place) AS place
                  FROM unnest(lots || picked.lots, parts || picked.parts)
                       WITH ORDINALITY taken (lot_id, part, place)
                 GROUP BY lot_id) line;
    END IF;
    IF lots IS NULL AND missing > 0 THEN
        SELECT ARRAY[lot_id], ARRAY[0] INTO lots, parts
          FROM quickscale_credits_overdraft(p_account, 0, moment);
    END IF;

    IF hold.id IS NOT NULL THEN
        due_at := quickscale_credits_close_hold(
            hold, 'captured', least(hold.amount, p_amount), moment);
    END IF;
    IF p_amount > 0 THEN
        result := quickscale_credits_post(
            p_account, 'consume', missing - p_amount, p_description, lots, parts, moment,
            p_service, p_actor, hold.id, p_shortfall => missing, p_key => p_key,
            p_fingerprint => p_fingerprint, p_metadata => p_metadata);
    ELSE
        result.answer := 'posted';
    END IF;
    IF missing > 0 THEN
        INSERT INTO quickscale_credits_creditevent (
            account_id, kind, payload, created_at, next_attempt_at)
        VALUES (
            p_account, 'shortfall',
            jsonb_build_object(
                'transaction', (result.entry).id, 'amount', missing::text, 'required', p_amount::text),
            moment, moment);
    END IF;
    IF due_at <= moment OR account.overdraft_limit > 0 THEN
        PERFORM quickscale_credits_post_due(p_account, moment, moment);
    END IF;
    RETURN result;
END
$$;
