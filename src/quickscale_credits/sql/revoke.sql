-- Take credits back from the lot that was paid for, and from the lots that were made from it, as
-- far as they are free. Never takes more than the lot's amount, less what has expired or was
-- already revoked. p_policy says what happens to the rest: 'overdraft' takes it from the overdraft,
-- up to its limit, and 'freeze' freezes the account. What is still missing is the transaction's
-- shortfall, and is claimed: credits that become free later pay it.
CREATE OR REPLACE FUNCTION quickscale_credits_revoke(
    p_lot bigint,
    p_amount numeric,
    p_description text,
    p_policy text,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(
        (SELECT account_id FROM quickscale_credits_creditlot WHERE id = p_lot), p_actor,
        NULL, p_key, p_fingerprint);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    overdraft record;
    wanted numeric;
    part numeric;
    missing numeric;
    freezing boolean;
    entry bigint;
    lots bigint[];
    parts numeric[];
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    wanted := least(p_amount, quickscale_credits_revocable(p_lot));
    SELECT array_agg(split.lot_id ORDER BY split.lot_id),
           array_agg(-split.part ORDER BY split.lot_id), wanted - sum(split.part)
      INTO lots, parts, missing
      FROM (SELECT lot_id,
                   greatest(
                       0, least(free, wanted - (sum(free) OVER (ORDER BY lot_id) - free))) AS part
              FROM quickscale_credits_lineage(p_lot)) split
     WHERE split.part > 0 OR split.lot_id = p_lot;
    IF missing > 0 AND p_policy = 'overdraft' AND account.overdraft_limit > 0 THEN
        SELECT * INTO overdraft
          FROM quickscale_credits_overdraft(account.id, account.overdraft_limit, moment);
        part := least(overdraft.free, missing);
        IF part > 0 THEN
            lots := lots || overdraft.lot_id;
            parts := parts || -part;
            missing := missing - part;
            UPDATE quickscale_credits_creditlot SET lost = lost + part WHERE id = p_lot;
        END IF;
    END IF;
    result := quickscale_credits_post(
        account.id, 'revoke', missing - wanted, p_description, lots, parts, moment,
        p_actor => p_actor, p_shortfall => missing, p_key => p_key,
        p_fingerprint => p_fingerprint, p_metadata => p_metadata);
    IF missing > 0 THEN
        entry := (result.entry).id;
        -- The claim doesn't own a freeze set by hand.
        freezing := p_policy = 'freeze' AND (account.status = 'active' OR EXISTS (
            SELECT FROM quickscale_credits_creditclaim claim
             WHERE claim.account_id = account.id AND claim.freezes));
        PERFORM quickscale_credits_claim(account.id, p_lot, entry, entry, missing, freezing);
        IF freezing THEN
            UPDATE quickscale_credits_creditaccount SET status = 'frozen'
             WHERE id = account.id AND status = 'active';
            IF FOUND THEN
                PERFORM quickscale_credits_note_change(
                    account.id, 'status', 'active', 'frozen', p_actor, p_description, moment);
            END IF;
        END IF;
    END IF;
    IF quickscale_credits_owes(account.id) THEN
        PERFORM quickscale_credits_post_due(account.id, moment, moment);
    END IF;
    RETURN result;
END
$$;
