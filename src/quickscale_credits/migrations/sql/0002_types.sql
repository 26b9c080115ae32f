-- The outcome of an operation. answer is 'posted', 'replayed' or the reason why nothing was done.
-- available and required are the figures of a refusal. posted_at is set if the operation first posted
-- what was due on account_id. entry or hold is the result, depending on the operation.
CREATE TYPE quickscale_credits_outcome AS (
    answer text,
    available numeric,
    required numeric,
    account_id bigint,
    posted_at timestamptz,
    entry quickscale_credits_credittransaction,
    hold quickscale_credits_credithold
);

-- A debt that can be paid at a moment: to a revocation, or to the overdraft if revocation_id is null.
-- parts is what each of lots gets (positive) or gives (negative).
CREATE TYPE quickscale_credits_step AS (
    moment timestamptz,
    revocation_id bigint,
    claimed_lot bigint,
    lots bigint[],
    parts numeric[]
);
