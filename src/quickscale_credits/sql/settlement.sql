-- Return how credits that became free by p_at pay what the account owes. Each moment is handled
-- separately, so the result doesn't depend on when it is called. Revocations are paid first, oldest
-- first, from the lots of their lineage; then the overdraft, in the order of a spend. Credits that
-- became free by p_since count as free now.
CREATE OR REPLACE FUNCTION quickscale_credits_settlement(
    p_account bigint,
    p_at timestamptz,
    p_since timestamptz DEFAULT '-infinity'
) RETURNS SETOF quickscale_credits_step LANGUAGE plpgsql STABLE AS $$
DECLARE
    overdraft bigint;
    debt numeric;
    claim record;
    lot record;
    part numeric;
    paid numeric;
    step quickscale_credits_step;
    given jsonb := '{}';      -- by lot
    collected jsonb := '{}';  -- by claim
BEGIN
    IF NOT quickscale_credits_owes(p_account) THEN
        RETURN;
    END IF;
    SELECT id, -remaining INTO overdraft, debt FROM quickscale_credits_creditlot
     WHERE account_id = p_account AND credit_type = 'overdraft';

    FOR step.moment IN
        SELECT expires_at FROM quickscale_credits_credithold
         WHERE account_id = p_account AND status = 'open' AND expires_at <= p_at
           AND expires_at > p_since
        UNION
        SELECT effective_at FROM quickscale_credits_creditlot
         WHERE debt > 0 AND account_id = p_account AND is_open AND remaining > held
           AND effective_at <= p_at AND effective_at > p_since
        UNION
        SELECT p_at
        ORDER BY 1
    LOOP
        FOR claim IN
            SELECT change.revocation_id, change.lot_id,
                   change.revocation_id || '/' || change.lot_id AS name,
                   sum(change.amount) - coalesce(
                       (collected ->> (change.revocation_id || '/' || change.lot_id))::numeric, 0)
                   AS due
              FROM quickscale_credits_creditlot owing
              JOIN quickscale_credits_creditclaim change ON change.lot_id = owing.id
             WHERE owing.account_id = p_account AND owing.owes
             GROUP BY change.revocation_id, change.lot_id
             ORDER BY change.revocation_id, change.lot_id
        LOOP
            paid := 0;
            step.lots := '{}';
            step.parts := '{}';
            FOR lot IN
                SELECT line.lot_id AS id, line.free
                       + quickscale_credits_timed_out(line.lot_id, step.moment)
                       - coalesce((given ->> line.lot_id::text)::numeric, 0) AS free
                  FROM quickscale_credits_lineage(claim.lot_id) line
                 ORDER BY line.lot_id
            LOOP
                part := least(lot.free, claim.due - paid);
                CONTINUE WHEN part <= 0;
                paid := paid + part;
                given := given || jsonb_build_object(
                    lot.id, coalesce((given ->> lot.id::text)::numeric, 0) + part);
                step.lots := step.lots || lot.id;
                step.parts := step.parts || -part;
            END LOOP;
            IF paid > 0 THEN
                collected := collected || jsonb_build_object(
                    claim.name, coalesce((collected ->> claim.name)::numeric, 0) + paid);
                step.revocation_id := claim.revocation_id;
                step.claimed_lot := claim.lot_id;
                RETURN NEXT step;
            END IF;
        END LOOP;

        CONTINUE WHEN debt IS NULL OR debt <= 0;
        paid := 0;
        step.lots := '{}';
        step.parts := '{}';
        FOR lot IN
            SELECT id, remaining - held + quickscale_credits_timed_out(id, step.moment)
                       - coalesce((given ->> id::text)::numeric, 0) AS free
              FROM quickscale_credits_creditlot
             WHERE account_id = p_account AND is_open AND credit_type <> 'overdraft'
               AND effective_at <= step.moment
               AND (expires_at IS NULL OR expires_at > step.moment)
             ORDER BY priority, expires_at, id
        LOOP
            part := least(lot.free, debt - paid);
            CONTINUE WHEN part <= 0;
            paid := paid + part;
            given := given || jsonb_build_object(
                lot.id, coalesce((given ->> lot.id::text)::numeric, 0) + part);
            step.lots := step.lots || lot.id;
            step.parts := step.parts || -part;
        END LOOP;
        IF paid > 0 THEN
            debt := debt - paid;
            step.revocation_id := NULL;
            step.claimed_lot := NULL;
            step.lots := step.lots || overdraft;
            step.parts := step.parts || paid;
            RETURN NEXT step;
        END IF;
    END LOOP;
END
$$;
