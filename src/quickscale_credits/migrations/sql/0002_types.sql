-- What an operation answers: answer is 'posted', 'replayed' or why nothing was done; available and
-- required are the figures of a refusal; the rest is the transaction.
CREATE TYPE quickscale_credits_outcome AS (
    answer text,
    available numeric,
    required numeric,
    id bigint,
    account_id bigint,
    sequence bigint,
    kind text,
    amount numeric,
    balance_after numeric,
    shortfall numeric,
    description text,
    service_id bigint,
    actor_id text,
    hold_id bigint,
    reverses_id bigint,
    idempotency_key text,
    fingerprint text,
    metadata jsonb,
    created_at timestamptz
);

-- What an operation on holds answers, as quickscale_credits_outcome does for transactions.
CREATE TYPE quickscale_credits_hold_outcome AS (
    answer text,
    available numeric,
    required numeric,
    id bigint,
    account_id bigint,
    amount numeric,
    captured numeric,
    status text,
    description text,
    service_id bigint,
    actor_id text,
    idempotency_key text,
    fingerprint text,
    metadata jsonb,
    created_at timestamptz,
    expires_at timestamptz,
    closed_at timestamptz
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
