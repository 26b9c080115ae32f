-- Announce credits that expire within one of p_windows, once for each lot and window, on up to
-- p_limit accounts. Locked accounts are skipped. Returns the number of lots that were announced.
CREATE OR REPLACE FUNCTION quickscale_credits_announce(p_windows interval[], p_limit bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
    lots bigint;
    told bigint := 0;
    moment timestamptz := quickscale_credits_clock();
BEGIN
    FOR owner IN
        SELECT id FROM quickscale_credits_creditaccount
         WHERE status <> 'closed'
           AND id IN (SELECT account_id FROM quickscale_credits_expiring(p_windows, moment))
         ORDER BY id
         LIMIT p_limit
           FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        WITH lot AS (
            UPDATE quickscale_credits_creditlot SET warned_at = moment
             WHERE account_id = owner
               AND id IN (SELECT id FROM quickscale_credits_expiring(p_windows, moment))
            RETURNING *)
        INSERT INTO quickscale_credits_creditevent (
            account_id, kind, payload, created_at, next_attempt_at)
        SELECT owner, 'expiring',
               jsonb_build_object(
                   'lot', lot.id, 'type', lot.credit_type, 'amount', (remaining - held)::text,
                   'expires_at', expires_at),
               moment, moment
          FROM lot ORDER BY expires_at, id;
        GET DIAGNOSTICS lots = ROW_COUNT;
        told := told + lots;
    END LOOP;
    RETURN told;
END
$$;
