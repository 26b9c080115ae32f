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
    entry quickscale_credits_credittransaction;
    picked record;
    result quickscale_credits_outcome;
    moment timestamptz;
BEGIN
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        result.status := 'missing';
        RETURN result;
    END IF;
    moment := quickscale_credits_clock();

    IF p_key <> '' THEN
        SELECT * INTO entry FROM quickscale_credits_credittransaction
         WHERE account_id = p_account AND idempotency_key = p_key;
        IF FOUND THEN
            result.status := CASE
                WHEN entry.fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END;
            result.entry := entry;
            RETURN result;
        END IF;
    END IF;

    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(p_account, moment);
    END IF;
    IF account.status = 'closed' OR (account.status = 'frozen' AND p_kind = 'consume') THEN
        result.status := account.status;
        RETURN result;
    END IF;

    picked := quickscale_credits_pick(account, p_amount, moment);
    IF picked.available IS NOT NULL THEN
        result.status := 'insufficient';
        result.available := picked.available;
        result.required := p_amount;
        RETURN result;
    END IF;

    entry.account_id := p_account;
    entry.kind := p_kind;
    entry.amount := -p_amount;
    entry.description := p_description;
    entry.service_id := p_service;
    entry.actor_id := p_actor;
    entry.idempotency_key := p_key;
    entry.fingerprint := p_fingerprint;
    entry.metadata := p_metadata;
    entry.created_at := moment;
    result.entry := quickscale_credits_post(
        entry, picked.lots, ARRAY(SELECT -part FROM unnest(picked.parts) part));
    result.status := 'posted';
    RETURN result;
END
$$;
