-- Take back what is free in the lots of a schedule that begin at p_from or later; by default in those
-- that have not begun. Answers 'nothing' when nothing is left to take.
CREATE FUNCTION quickscale_credits_withdraw(
    p_account bigint,
    p_source_type text,
    p_source_id text,
    p_from timestamptz,
    p_description text,
    p_actor text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    lots bigint[];
    parts numeric[];
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
    IF account.next_due_at <= moment THEN
        account := quickscale_credits_post_due(p_account, moment);
    END IF;

    SELECT array_agg(id ORDER BY id), array_agg(held - remaining ORDER BY id) INTO lots, parts
      FROM quickscale_credits_creditlot
     WHERE account_id = p_account AND is_open AND remaining > held
       AND source_type = p_source_type
       AND regexp_replace(source_id, ':[0-9]+$', '') = p_source_id
       AND (effective_at >= p_from OR (p_from IS NULL AND effective_at > moment));
    IF lots IS NULL THEN
        result.answer := 'nothing';
        RETURN result;
    END IF;
    RETURN quickscale_credits_post(
        p_account, 'revoke', (SELECT sum(part) FROM unnest(parts) part), p_description, lots, parts,
        moment, p_actor => p_actor, p_metadata => p_metadata);
END
$$;
