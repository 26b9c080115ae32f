-- Rows refer only to rows of the same account. These foreign keys are checked at commit, so that a
-- restore of the data alone may load the tables in any order.

ALTER TABLE quickscale_credits_creditlot
    ADD CONSTRAINT quickscale_credits_lot_parent_key FOREIGN KEY (account_id, parent_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE quickscale_credits_credittransaction
    ADD CONSTRAINT quickscale_credits_transaction_hold_key FOREIGN KEY (account_id, hold_id)
    REFERENCES quickscale_credits_credithold (account_id, id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT quickscale_credits_transaction_reverses_key FOREIGN KEY (account_id, reverses_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE quickscale_credits_creditallocation
    ADD CONSTRAINT quickscale_credits_allocation_transaction_key
    FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT quickscale_credits_allocation_lot_key FOREIGN KEY (account_id, lot_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE quickscale_credits_creditholdallocation
    ADD CONSTRAINT quickscale_credits_hold_allocation_hold_key FOREIGN KEY (account_id, hold_id)
    REFERENCES quickscale_credits_credithold (account_id, id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT quickscale_credits_hold_allocation_lot_key FOREIGN KEY (account_id, lot_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE quickscale_credits_creditclaim
    ADD CONSTRAINT quickscale_credits_claim_lot_key FOREIGN KEY (account_id, lot_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT quickscale_credits_claim_revocation_key FOREIGN KEY (account_id, revocation_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT quickscale_credits_claim_transaction_key FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE quickscale_credits_serviceusage
    ADD CONSTRAINT quickscale_credits_usage_transaction_key FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE INITIALLY DEFERRED;

-- Leave room on each page, so that a new version of a row stays on it and no index changes.

ALTER TABLE quickscale_credits_creditaccount SET (fillfactor = 70);
ALTER TABLE quickscale_credits_creditlot SET (fillfactor = 80);
ALTER TABLE quickscale_credits_credithold SET (fillfactor = 80);

-- The journal is append-only.

CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE ON quickscale_credits_credittransaction
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_keep_all_but_actor();
CREATE TRIGGER quickscale_credits_never_deleted
    BEFORE DELETE ON quickscale_credits_credittransaction
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE DELETE OR UPDATE ON quickscale_credits_creditallocation
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE DELETE OR UPDATE OF account_id, lot_id, revocation_id, transaction_id, amount
    ON quickscale_credits_creditclaim
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE ON quickscale_credits_accountchange
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_keep_all_but_actor();
CREATE TRIGGER quickscale_credits_never_deleted
    BEFORE DELETE ON quickscale_credits_accountchange
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();

CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_credittransaction
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();
CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_creditallocation
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();
CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_accountchange
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();

-- Each line is explained by its allocations, and each account by its lines.

CREATE TRIGGER quickscale_credits_explains
    AFTER INSERT ON quickscale_credits_creditallocation
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_check_allocations();

CREATE TABLE quickscale_credits_unexplained (transaction_id bigint PRIMARY KEY);

CREATE TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_credittransaction
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_check_transactions();

CREATE CONSTRAINT TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_unexplained
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_unexplained();

-- The terms of a lot never change. Nor do those of a hold, except that it can be extended. Owners and
-- actors never change, except that they become null when the user is deleted.

CREATE TRIGGER quickscale_credits_fixed
    BEFORE UPDATE OF id, account_id, credit_type, priority, amount, effective_at, expires_at,
        source_type, source_id, cost_amount, cost_currency, period_start, period_end, parent_id,
        transferred_from_id, created_at
    ON quickscale_credits_creditlot
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();

CREATE TRIGGER quickscale_credits_fixed
    BEFORE DELETE OR UPDATE OF id, account_id, amount, description, service_id, idempotency_key,
        fingerprint, metadata, created_at
    ON quickscale_credits_credithold
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_never_earlier
    BEFORE UPDATE OF expires_at ON quickscale_credits_credithold
    FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at)
    EXECUTE FUNCTION quickscale_credits_refuse_change();

CREATE TRIGGER quickscale_credits_keep_owner
    BEFORE UPDATE ON quickscale_credits_creditaccount
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_keep_owner();

CREATE TRIGGER quickscale_credits_keep_actor
    BEFORE UPDATE ON quickscale_credits_credithold
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_keep_actor();

-- What a hold sets aside never changes. At commit, the amount of a new hold is the sum of its
-- allocations.

CREATE TRIGGER quickscale_credits_fixed
    BEFORE DELETE OR UPDATE ON quickscale_credits_creditholdallocation
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();

CREATE CONSTRAINT TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_credithold
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_hold('id');
CREATE CONSTRAINT TRIGGER quickscale_credits_explains
    AFTER INSERT ON quickscale_credits_creditholdallocation
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_hold('hold_id');
