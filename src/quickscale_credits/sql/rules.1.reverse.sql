DROP FUNCTION quickscale_credits_keep_owner CASCADE;
DROP FUNCTION quickscale_credits_keep_actor CASCADE;
DROP FUNCTION quickscale_credits_keep_all_but_actor CASCADE;
DROP FUNCTION quickscale_credits_check_unexplained CASCADE;
DROP TABLE quickscale_credits_unexplained;
DROP FUNCTION quickscale_credits_check_hold CASCADE;
DROP FUNCTION quickscale_credits_check_allocations CASCADE;
DROP FUNCTION quickscale_credits_check_transactions CASCADE;
DROP FUNCTION quickscale_credits_refuse_truncate CASCADE;
DROP FUNCTION quickscale_credits_refuse_change CASCADE;

ALTER TABLE quickscale_credits_creditaccount RESET (fillfactor);
ALTER TABLE quickscale_credits_creditlot RESET (fillfactor);
ALTER TABLE quickscale_credits_credithold RESET (fillfactor);

ALTER TABLE quickscale_credits_serviceusage
    DROP CONSTRAINT quickscale_credits_usage_transaction_key;
ALTER TABLE quickscale_credits_creditclaim
    DROP CONSTRAINT quickscale_credits_claim_lot_key,
    DROP CONSTRAINT quickscale_credits_claim_revocation_key,
    DROP CONSTRAINT quickscale_credits_claim_transaction_key;
ALTER TABLE quickscale_credits_creditholdallocation
    DROP CONSTRAINT quickscale_credits_hold_allocation_hold_key,
    DROP CONSTRAINT quickscale_credits_hold_allocation_lot_key;
ALTER TABLE quickscale_credits_creditallocation
    DROP CONSTRAINT quickscale_credits_allocation_transaction_key,
    DROP CONSTRAINT quickscale_credits_allocation_lot_key;
ALTER TABLE quickscale_credits_credittransaction
    DROP CONSTRAINT quickscale_credits_transaction_hold_key,
    DROP CONSTRAINT quickscale_credits_transaction_reverses_key;
ALTER TABLE quickscale_credits_creditlot
    DROP CONSTRAINT quickscale_credits_lot_parent_key;
