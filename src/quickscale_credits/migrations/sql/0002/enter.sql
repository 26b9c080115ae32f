-- Start an operation (all but spend): check its references, lock the account, read the clock,
-- replay a known key, and post what is due. The operation continues if result.answer is null.
CREATE OR REPLACE FUNCTION quickscale_credits_enter(
    p_account bigint,
    p_actor text DEFAULT NULL,
    p_service bigint DEFAULT NULL,
    p_key text DEFAULT '',
    p_fingerprint text DEFAULT '',
    OUT account quickscale_credits_creditaccount,
    OUT moment timestamptz,
    OUT result quickscale_credits_outcome
) LANGUAGE plpgsql AS $$
BEGIN
    result.answer := quickscale_credits_missing_reference(p_actor, p_service);
    IF result.answer IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT * INTO account FROM quickscale_credits_creditaccount
     WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        result.answer := 'missing';
        RETURN;
    END IF;
    moment := quickscale_credits_clock();
    IF p_key <> '' THEN
        result := quickscale_credits_replay(p_account, p_key, p_fingerprint);
        IF result.answer IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(p_account, moment);
        result.account_id := p_account;
        result.posted_at := moment;
    END IF;
END
$$;
