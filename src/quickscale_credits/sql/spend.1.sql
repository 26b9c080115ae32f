-- Take credits: p_kind is 'consume' for a use, 'adjust' for a removal by hand.
CREATE FUNCTION quickscale_credits_spend(
    p_account bigint,
    p_kind text,
    p_amount numeric,
    p_description text,
    p_service bigint,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    picked record;
    result quickscale_credits_outcome;
    moment timestamptz;
BEGIN
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        result.answer := 'missing';
        RETURN result;
    END IF;
    moment := quickscale_credits_clock();

    IF p_key <> '' THEN
        result := quickscale_credits_replay(p_account, p_key, p_fingerprint);
        IF result.answer IS NOT NULL THEN
            RETURN result;
        END IF;
    END IF;

    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(p_account, moment);
    END IF;
    IF account.status = 'closed' OR (account.status = 'frozen' AND p_kind = 'consume') THEN
        result.answer := account.status;
        RETURN result;
    END IF;

    picked := quickscale_credits_pick(account, p_amount, moment);
    IF picked.available IS NOT NULL THEN
        result.answer := 'insufficient';
        result.available := picked.available;
        result.required := p_amount;
        RETURN result;
    END IF;
    RETURN quickscale_credits_post(
        p_account, p_kind, -p_amount, p_description, picked.lots, picked.parts, moment,
        p_service, p_actor, p_key => p_key, p_fingerprint => p_fingerprint,
        p_metadata => p_metadata);
END
$$;
