-- What is owed and can be paid at a moment: to a revocation, or the overdraft (revocation is null).
-- parts is what each of lots gets (positive) or gives (negative).
CREATE TYPE quickscale_credits_step AS (
    moment timestamptz,
    revocation_id bigint,
    claimed_lot bigint,
    lots bigint[],
    parts numeric[]
);
