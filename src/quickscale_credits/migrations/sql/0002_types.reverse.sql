DROP TYPE quickscale_credits_outcome;
DROP TYPE quickscale_credits_step;
