-- Rows refer only to rows of the same account.

ALTER TABLE quickscale_credits_creditlot
    ADD CONSTRAINT quickscale_credits_lot_parent_key FOREIGN KEY (account_id, parent_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE;

ALTER TABLE quickscale_credits_credittransaction
    ADD CONSTRAINT quickscale_credits_transaction_hold_key FOREIGN KEY (account_id, hold_id)
    REFERENCES quickscale_credits_credithold (account_id, id) DEFERRABLE,
    ADD CONSTRAINT quickscale_credits_transaction_reverses_key FOREIGN KEY (account_id, reverses_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE;

ALTER TABLE quickscale_credits_creditallocation
    ADD CONSTRAINT quickscale_credits_allocation_transaction_key
    FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE,
    ADD CONSTRAINT quickscale_credits_allocation_lot_key FOREIGN KEY (account_id, lot_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE;

ALTER TABLE quickscale_credits_creditholdallocation
    ADD CONSTRAINT quickscale_credits_hold_allocation_hold_key FOREIGN KEY (account_id, hold_id)
    REFERENCES quickscale_credits_credithold (account_id, id) DEFERRABLE,
    ADD CONSTRAINT quickscale_credits_hold_allocation_lot_key FOREIGN KEY (account_id, lot_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE;

ALTER TABLE quickscale_credits_creditclaim
    ADD CONSTRAINT quickscale_credits_claim_lot_key FOREIGN KEY (account_id, lot_id)
    REFERENCES quickscale_credits_creditlot (account_id, id) DEFERRABLE,
    ADD CONSTRAINT quickscale_credits_claim_revocation_key FOREIGN KEY (account_id, revocation_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE,
    ADD CONSTRAINT quickscale_credits_claim_transaction_key FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE;

ALTER TABLE quickscale_credits_serviceusage
    ADD CONSTRAINT quickscale_credits_usage_transaction_key FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE;

-- Room on each page, so that a new version of a row stays on it and no index changes.

ALTER TABLE quickscale_credits_creditaccount SET (fillfactor = 70);
ALTER TABLE quickscale_credits_creditlot SET (fillfactor = 80);
ALTER TABLE quickscale_credits_credithold SET (fillfactor = 80);

-- The journal only grows; what leaves it for the archive, archive_tables.1.sql checks.

CREATE FUNCTION quickscale_credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps what it has: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE ON quickscale_credits_credittransaction
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE ON quickscale_credits_creditallocation
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE OF account_id, lot_id, revocation_id, transaction_id, amount
    ON quickscale_credits_creditclaim
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();

-- Emptying the journal is allowed only together with the accounts (Django's flush between tests).

CREATE FUNCTION quickscale_credits_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM quickscale_credits_creditaccount) THEN
        RAISE EXCEPTION '% is append-only: TRUNCATE is refused while accounts exist', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_credittransaction
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();
CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_creditallocation
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();

-- One statement writes transactions and all of their allocations, which sum to the transaction's
-- amount. Nothing is added later, not even what sums to nothing. Each transaction follows the one
-- before it. Each check is a probe of an index,
-- however small the tables were when it was planned.

CREATE FUNCTION quickscale_credits_check_allocations() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    PERFORM FROM (
        SELECT transaction_id, sum(amount) AS amount, count(*) AS parts
          FROM added GROUP BY transaction_id
    ) written
     WHERE written.amount IS DISTINCT FROM (
               SELECT entry.amount FROM quickscale_credits_credittransaction entry
                WHERE entry.id = written.transaction_id)
        OR written.parts <> (
               SELECT count(*) FROM quickscale_credits_creditallocation part
                WHERE part.transaction_id = written.transaction_id);
    IF FOUND THEN
        RAISE EXCEPTION 'the allocations of a transaction do not sum to its amount, or come late'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER quickscale_credits_explains
    AFTER INSERT ON quickscale_credits_creditallocation
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_check_allocations();

CREATE FUNCTION quickscale_credits_check_transactions() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT * INTO wrong FROM (
        SELECT account_id, sequence, CASE
            WHEN (SELECT count(*) FROM quickscale_credits_creditallocation
                   WHERE transaction_id = entry.id) = 0
                THEN 'has no allocation'
            WHEN balance_after - amount IS DISTINCT FROM CASE sequence WHEN 1 THEN 0 ELSE (
                    SELECT balance_after FROM quickscale_credits_credittransaction
                     WHERE account_id = entry.account_id AND sequence = entry.sequence - 1) END
                THEN 'does not follow the one before it'
            WHEN coalesce(sequence >= (
                    SELECT next_sequence FROM quickscale_credits_creditaccount
                     WHERE id = entry.account_id), TRUE)
                THEN 'is not counted by its account' END AS fault
          FROM added entry WHERE kind <> 'carry') checked
     WHERE fault IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % of account % %',
            wrong.sequence, wrong.account_id, wrong.fault
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_credittransaction
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_check_transactions();

-- What a hold sets aside never changes, and at commit a new hold is what its allocations say.

CREATE TRIGGER quickscale_credits_fixed
    BEFORE DELETE OR UPDATE OF id, account_id, amount ON quickscale_credits_credithold
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_fixed
    BEFORE DELETE OR UPDATE ON quickscale_credits_creditholdallocation
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();

CREATE FUNCTION quickscale_credits_check_hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    the_hold bigint := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    PERFORM FROM quickscale_credits_credithold hold
      WHERE hold.id = the_hold AND hold.amount <> (
          SELECT coalesce(sum(part.amount), 0)
            FROM quickscale_credits_creditholdallocation part
           WHERE part.hold_id = hold.id);
    IF FOUND THEN
        RAISE EXCEPTION 'the allocations of hold % do not sum to its amount', the_hold
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_credithold
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_hold('id');
CREATE CONSTRAINT TRIGGER quickscale_credits_explains
    AFTER INSERT ON quickscale_credits_creditholdallocation
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_hold('hold_id');
