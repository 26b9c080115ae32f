-- Set the balance at which the account counts as low. Null turns the warning off.
CREATE OR REPLACE FUNCTION quickscale_credits_set_low_balance(
    p_account bigint,
    p_threshold numeric,
    p_actor text,
    p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(p_account, p_actor);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    refusal text := (begun.result).answer;
BEGIN
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    IF account.low_balance_threshold IS DISTINCT FROM p_threshold THEN
        UPDATE quickscale_credits_creditaccount
           SET low_balance_threshold = p_threshold, updated_at = moment
         WHERE id = p_account;
        PERFORM quickscale_credits_note_change(
            p_account, 'low_balance', account.low_balance_threshold::text,
            p_threshold::numeric(19, 4)::text, p_actor, p_reason, moment);
    END IF;
    RETURN 'posted';
END
$$;
