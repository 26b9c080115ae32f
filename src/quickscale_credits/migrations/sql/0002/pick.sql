-- Choose the lots that pay: by priority, then by end (soonest first), then by id. The overdraft
-- gives the rest, up to its limit. The parts are negative. available is set only if there are too
-- few credits. Open lots are read in order by their index, only as far as needed: a sort would read
-- all of them first.
CREATE OR REPLACE FUNCTION quickscale_credits_pick(
    p_account quickscale_credits_creditaccount,
    p_amount numeric,
    p_at timestamptz,
    OUT lots bigint[],
    OUT parts numeric[],
    OUT available numeric
) LANGUAGE plpgsql SET enable_sort = off AS $$
DECLARE
    lot record;
    wanted numeric := p_amount;
    part numeric;
BEGIN
    FOR lot IN
        SELECT id, remaining - held AS free FROM quickscale_credits_creditlot
         WHERE account_id = p_account.id AND is_open AND remaining > held
           AND effective_at <= p_at AND (expires_at IS NULL OR expires_at > p_at)
         ORDER BY priority, expires_at, id
    LOOP
        part := least(lot.free, wanted);
        lots := lots || lot.id;
        parts := parts || -part;
        wanted := wanted - part;
        EXIT WHEN wanted = 0;
    END LOOP;

    IF wanted > 0 AND p_account.overdraft_limit > 0 THEN
        SELECT * INTO lot
          FROM quickscale_credits_overdraft(p_account.id, p_account.overdraft_limit, p_at);
        part := least(lot.free, wanted);
        IF part > 0 THEN
            lots := lots || lot.lot_id;
            parts := parts || -part;
            wanted := wanted - part;
        END IF;
    END IF;

    IF wanted > 0 THEN
        available := p_amount - wanted;
    END IF;
END
$$;
