-- Post what has become due: holds that timed out, then what came back into lots that owe revoked
-- credits, then lots that ended. Each lot's revocation or expiry is a transaction of its own. Returns the account as it is then; the caller holds its lock.
CREATE FUNCTION quickscale_credits_post_due(
    p_account bigint,
    p_at timestamptz
) RETURNS quickscale_credits_creditaccount LANGUAGE plpgsql AS $$
DECLARE
    account quickscale_credits_creditaccount;
    hold quickscale_credits_credithold;
    lot record;
BEGIN
    FOR hold IN
        SELECT * FROM quickscale_credits_credithold
         WHERE account_id = p_account AND status = 'open' AND expires_at <= p_at
         ORDER BY expires_at, id
    LOOP
        PERFORM quickscale_credits_close_hold(hold, 'expired', 0, p_at);
    END LOOP;

    FOR lot IN
        SELECT id, -least(revoked_due, remaining - held) AS lost FROM quickscale_credits_creditlot
         WHERE account_id = p_account AND revoked_due > 0 AND remaining > held
         ORDER BY id
    LOOP
        PERFORM quickscale_credits_post(
            p_account, 'revoke', lot.lost, 'Revoked', ARRAY[lot.id], ARRAY[lot.lost], p_at);
        UPDATE quickscale_credits_creditlot SET revoked_due = revoked_due + lot.lost
         WHERE id = lot.id;
    END LOOP;

    FOR lot IN
        SELECT id, held - remaining AS lost FROM quickscale_credits_creditlot
         WHERE account_id = p_account AND is_open AND expires_at <= p_at AND remaining > held
         ORDER BY expires_at, id
    LOOP
        PERFORM quickscale_credits_post(
            p_account, 'expire', lot.lost, 'Expired', ARRAY[lot.id], ARRAY[lot.lost], p_at);
    END LOOP;

    UPDATE quickscale_credits_creditaccount
       SET next_due_at = least(
               (SELECT min(expires_at) FROM quickscale_credits_creditlot
                 WHERE account_id = p_account AND is_open AND remaining > held),
               (SELECT min(expires_at) FROM quickscale_credits_credithold
                 WHERE account_id = p_account AND status = 'open'))
     WHERE id = p_account
    RETURNING * INTO account;
    RETURN account;
END
$$;
