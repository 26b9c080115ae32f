-- What an operation answers: answer is 'posted', 'replayed' or why nothing was done; available and
-- required are the figures of a refusal. posted_at is when what was due on account_id was posted on the
-- way, else null. The rest is the transaction or the hold, by the operation.
CREATE TYPE quickscale_credits_outcome AS (
    answer text,
    available numeric,
    required numeric,
    account_id bigint,
    posted_at timestamptz,
    entry quickscale_credits_credittransaction,
    hold quickscale_credits_credithold
);

-- What is owed and can be paid at a moment: to a revocation, or the overdraft (revocation is null).
-- parts is what each of lots gets (positive) or gives (negative).
CREATE TYPE quickscale_credits_step AS (
    moment timestamptz,
    revocation_id bigint,
    claimed_lot bigint,
    lots bigint[],
    parts numeric[]
);
