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
