-- Give back what a transaction took (p_amount; null gives back all that is left), to the same lots.
-- Credits that return to a lot that has ended expire at once. The reversal of a revocation first
-- waives what it is still owed, then gives back what it took, and then what was taken for it later.
-- The account is unfrozen once nothing is owed to a revocation that froze it.
CREATE OR REPLACE FUNCTION quickscale_credits_reverse(
    p_transaction bigint,
    p_amount numeric,
    p_description text,
    p_actor text,
    p_key text,
    p_fingerprint text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(
        (SELECT account_id FROM quickscale_credits_credittransaction WHERE id = p_transaction), p_actor,
        NULL, p_key, p_fingerprint);
    account quickscale_credits_creditaccount := begun.account;
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    original quickscale_credits_credittransaction;
    later quickscale_credits_credittransaction;
    claim record;
    own numeric := 0;
    owed numeric;
    collected numeric;
    wanted numeric;
    waived numeric;
    part numeric;
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT * INTO original FROM quickscale_credits_credittransaction WHERE id = p_transaction;
    IF account.status = 'closed' AND original.kind <> 'revoke' THEN
        result.answer := 'closed';
        RETURN result;
    END IF;

    -- What was taken later for a revocation is given back with it, never separately.
    IF original.kind IN ('consume', 'adjust', 'revoke') AND NOT EXISTS (
            SELECT FROM quickscale_credits_creditclaim
             WHERE transaction_id = p_transaction AND revocation_id <> p_transaction) THEN
        own := greatest(quickscale_credits_reversible(original), 0);
    END IF;
    SELECT coalesce(sum(amount), 0) INTO owed
      FROM quickscale_credits_creditclaim WHERE revocation_id = p_transaction;
    SELECT coalesce(sum(quickscale_credits_reversible(entry)), 0) INTO collected
      FROM quickscale_credits_credittransaction entry
     WHERE entry.kind = 'revoke' AND entry.id IN (
         SELECT transaction_id FROM quickscale_credits_creditclaim
          WHERE revocation_id = p_transaction AND transaction_id <> p_transaction);
    result.available := own + owed + collected;
    wanted := coalesce(p_amount, result.available);
    IF wanted > result.available OR result.available = 0 THEN
        result.answer := 'irreversible';
        result.required := coalesce(p_amount, -original.amount);
        RETURN result;
    END IF;
    waived := least(wanted, owed);
    wanted := wanted - waived;
    IF account.posted + wanted >= 1e15 THEN
        result.answer := 'overflow';
        RETURN result;
    END IF;

    part := least(wanted, own);
    wanted := wanted - part;
    result := quickscale_credits_give_back(
        original, part, p_description, moment, p_actor, p_key, p_fingerprint,
        p_metadata);
    FOR claim IN
        SELECT lot_id, sum(amount) AS due FROM quickscale_credits_creditclaim
         WHERE waived > 0 AND revocation_id = p_transaction
         GROUP BY lot_id HAVING sum(amount) > 0 ORDER BY lot_id
    LOOP
        EXIT WHEN waived = 0;
        part := least(waived, claim.due);
        waived := waived - part;
        owed := owed - part;
        PERFORM quickscale_credits_claim(account.id, claim.lot_id, p_transaction, (result.entry).id, -part);
    END LOOP;
    FOR later IN
        SELECT * FROM quickscale_credits_credittransaction
         WHERE wanted > 0 AND kind = 'revoke' AND id IN (
             SELECT transaction_id FROM quickscale_credits_creditclaim
              WHERE revocation_id = p_transaction AND transaction_id <> p_transaction)
         ORDER BY id DESC
    LOOP
        part := least(wanted, quickscale_credits_reversible(later));
        CONTINUE WHEN part = 0;
        wanted := wanted - part;
        PERFORM quickscale_credits_give_back(
            later, part, p_description, moment, p_actor, p_metadata => p_metadata);
    END LOOP;

    IF owed = 0 THEN
        UPDATE quickscale_credits_creditclaim SET freezes = false
         WHERE revocation_id = p_transaction AND freezes;
        IF FOUND AND NOT EXISTS (
                SELECT FROM quickscale_credits_creditclaim change
                 WHERE change.account_id = account.id AND change.freezes) THEN
            UPDATE quickscale_credits_creditaccount SET status = 'active'
             WHERE id = account.id AND status = 'frozen';
            IF FOUND THEN
                PERFORM quickscale_credits_note_change(
                    account.id, 'status', 'frozen', 'active', p_actor, p_description, moment);
            END IF;
        END IF;
    END IF;
    PERFORM quickscale_credits_post_due(account.id, moment, moment);
    RETURN result;
END
$$;
