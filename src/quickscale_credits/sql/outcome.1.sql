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
