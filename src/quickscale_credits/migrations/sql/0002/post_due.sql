-- Post what has become due: holds that timed out, then payments of debts, then lots that ended.
-- Each payment, and the expiry of each lot, is a separate transaction. A caller that has posted
-- what was due, and has freed credits since, passes that time as p_since. Returns the account as it
-- is afterwards. The caller holds its lock.
CREATE OR REPLACE FUNCTION quickscale_credits_post_due(
    p_account bigint,
    p_at timestamptz,
    p_since timestamptz DEFAULT '-infinity'
) RETURNS quickscale_credits_creditaccount LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    hold quickscale_credits_credithold;
    steps quickscale_credits_step[] := ARRAY(
        SELECT step FROM quickscale_credits_settlement(p_account, p_at, p_since) step);
    step quickscale_credits_step;
    paid numeric;
    posted quickscale_credits_outcome;
    lot record;
BEGIN
    FOR hold IN
        SELECT * FROM quickscale_credits_credithold
         WHERE account_id = p_account AND status = 'open' AND expires_at <= p_at
         ORDER BY expires_at, id
    LOOP
        PERFORM quickscale_credits_close_hold(hold, 'expired', 0, p_at);
    END LOOP;

    FOREACH step IN ARRAY steps LOOP
        IF step.revocation_id IS NULL THEN
            PERFORM quickscale_credits_post(
                p_account, 'convert', 0, 'Overdraft paid back', step.lots, step.parts, p_at);
            CONTINUE;
        END IF;
        SELECT sum(part) INTO paid FROM unnest(step.parts) part;
        posted := quickscale_credits_post(
            p_account, 'revoke', paid, 'Revoked', step.lots, step.parts, p_at);
        PERFORM quickscale_credits_claim(
            p_account, step.claimed_lot, step.revocation_id, (posted.entry).id, paid);
    END LOOP;

    FOR lot IN
        SELECT id, held - remaining AS lost, expires_at FROM quickscale_credits_creditlot
         WHERE account_id = p_account AND is_open AND expires_at <= p_at AND remaining > held
         ORDER BY expires_at, id
    LOOP
        PERFORM quickscale_credits_post(
            p_account, 'expire', lot.lost, 'Expired', ARRAY[lot.id], ARRAY[lot.lost], p_at,
            p_metadata => jsonb_build_object('ended_at', lot.expires_at));
    END LOOP;

    UPDATE quickscale_credits_creditaccount
       SET next_due_at = quickscale_credits_next_due(p_account, p_at)
     WHERE id = p_account
    RETURNING * INTO account;
    RETURN account;
END
$$;
