-- What every operation answers. status: 'posted', 'replayed', or why nothing was done.
CREATE TYPE quickscale_credits_outcome AS (
    status text,
    available numeric,
    required numeric,
    entry quickscale_credits_credittransaction,
    hold quickscale_credits_credithold
);
