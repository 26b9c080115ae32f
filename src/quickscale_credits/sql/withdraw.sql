-- Take back the lots of a schedule that begin at p_start or later, by default those that have not
-- begun, with the lots made from them. What has been used of them or is held is the transaction's
-- shortfall, and is claimed. The answer is 'nothing' if nothing is left to take or to claim.
CREATE OR REPLACE FUNCTION quickscale_credits_withdraw(
    p_account bigint,
    p_source_type text,
    p_source_id text,
    p_start timestamptz,
    p_description text,
    p_actor text,
    p_metadata jsonb
) RETURNS quickscale_credits_outcome LANGUAGE plpgsql AS $$
DECLARE
    begun record := quickscale_credits_enter(p_account, p_actor);
    moment timestamptz := begun.moment;
    result quickscale_credits_outcome := begun.result;
    claim record;
    lots bigint[] := '{}';
    parts numeric[] := '{}';
    owing bigint[] := '{}';
    entry bigint;
    owed numeric[] := '{}';
BEGIN
    IF result.answer IS NOT NULL THEN
        RETURN result;
    END IF;

    FOR claim IN
        SELECT lot.id, quickscale_credits_revocable(lot.id) - line.free AS missing, line.lots,
               line.parts
          FROM quickscale_credits_scheduled(p_account, p_source_type, p_source_id) lot
         CROSS JOIN LATERAL (
               SELECT coalesce(sum(free), 0) AS free, array_agg(lot_id ORDER BY lot_id) AS lots,
                      array_agg(-free ORDER BY lot_id) AS parts
                 FROM quickscale_credits_lineage(lot.id) WHERE free > 0) line
         WHERE lot.effective_at >= p_start OR (p_start IS NULL AND lot.effective_at > moment)
         ORDER BY lot.id
    LOOP
        lots := lots || claim.lots;
        parts := parts || claim.parts;
        IF claim.missing > 0 THEN
            owing := owing || claim.id;
            owed := owed || claim.missing;
        END IF;
    END LOOP;
    IF lots = '{}' AND owing = '{}' THEN
        result.answer := 'nothing';
        RETURN result;
    ELSIF lots = '{}' THEN
        lots := owing[1:1];
        parts := '{0}';
    END IF;
    result := quickscale_credits_post(
        p_account, 'revoke', (SELECT sum(part) FROM unnest(parts) part), p_description, lots, parts,
        moment, p_actor => p_actor,
        p_shortfall => (SELECT coalesce(sum(part), 0) FROM unnest(owed) part),
        p_metadata => p_metadata);
    entry := (result.entry).id;
    FOR n IN 1 .. cardinality(owing) LOOP
        PERFORM quickscale_credits_claim(p_account, owing[n], entry, entry, owed[n]);
    END LOOP;
    RETURN result;
END
$$;
