-- Rows refer only to rows of the same account. Such keys are checked at the commit, so that a restore
-- of the data alone may load the tables in any order.

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

-- Room on each page, so that a new version of a row stays on it and no index changes.

ALTER TABLE quickscale_credits_creditaccount SET (fillfactor = 70);
ALTER TABLE quickscale_credits_creditlot SET (fillfactor = 80);
ALTER TABLE quickscale_credits_credithold SET (fillfactor = 80);

-- The journal only grows.

CREATE FUNCTION quickscale_credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps what it has: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- Who acted may be forgotten when that user is deleted, and nothing else changes with it.

CREATE FUNCTION quickscale_credits_keep_all_but_actor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actor_id IS NOT NULL OR to_jsonb(NEW) - 'actor_id' <> to_jsonb(OLD) - 'actor_id' THEN
        RAISE EXCEPTION '% keeps what it has: UPDATE is refused', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

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

-- Emptying the journal is allowed only together with the accounts (Django's flush between tests).

CREATE FUNCTION quickscale_credits_refuse_truncate() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
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

CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_accountchange
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();

-- The allocations of a transaction sum to its amount: all of them are there as soon as it is, and
-- nothing is added later, not even what sums to nothing. Each transaction follows the one before it,
-- and the last one leaves the balance that the account has. Each check is a probe of an index, however
-- small the tables were when it was planned.
--
-- A restore of the data alone loads table by table, in any order, with an empty search_path. So
-- allocations may come before their transaction, whose key is checked at the commit; and transactions
-- that come before their allocations are remembered until then.

CREATE FUNCTION quickscale_credits_check_allocations() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM (
        SELECT transaction_id, sum(amount) AS amount, count(*) AS parts
          FROM added GROUP BY transaction_id
    ) written
     WHERE written.amount <> (
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

CREATE TABLE quickscale_credits_unexplained (transaction_id bigint PRIMARY KEY);

CREATE FUNCTION quickscale_credits_check_transactions() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET search_path FROM CURRENT AS $$
DECLARE
    wrong record;
BEGIN
    SELECT * INTO wrong FROM (
        SELECT account_id, sequence, CASE
            WHEN balance_after - amount IS DISTINCT FROM CASE sequence WHEN 1 THEN 0 ELSE (
                    SELECT CASE former.sequence WHEN entry.sequence - 1 THEN balance_after END
                      FROM quickscale_credits_credittransaction former
                     WHERE former.account_id = entry.account_id
                       AND former.sequence < entry.sequence
                     ORDER BY former.sequence DESC LIMIT 1) END
                THEN 'does not follow the one before it'
            WHEN (SELECT CASE next_sequence WHEN entry.sequence + 1 THEN posted = balance_after
                         ELSE next_sequence > entry.sequence AND entry.sequence + 1 = (
                              SELECT later.sequence
                                FROM quickscale_credits_credittransaction later
                               WHERE later.account_id = entry.account_id
                                 AND later.sequence > entry.sequence
                               ORDER BY later.sequence LIMIT 1) END
                    FROM quickscale_credits_creditaccount
                   WHERE id = entry.account_id) IS NOT TRUE
                THEN 'is not counted by its account'
            WHEN explained IS NULL THEN 'has no allocation'
            WHEN explained <> amount THEN 'is not what its allocations sum to' END AS fault
          FROM (SELECT *, (SELECT sum(part.amount) FROM quickscale_credits_creditallocation part
                            WHERE part.transaction_id = added.id) AS explained
                  FROM added OFFSET 0) entry) checked
     WHERE fault IS NOT NULL
     ORDER BY fault = 'has no allocation'
     LIMIT 1;
    IF wrong.fault = 'has no allocation' THEN
        INSERT INTO quickscale_credits_unexplained
        SELECT id FROM added WHERE NOT EXISTS (
            SELECT FROM quickscale_credits_creditallocation WHERE transaction_id = added.id);
    ELSIF FOUND THEN
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

CREATE FUNCTION quickscale_credits_check_unexplained() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM quickscale_credits_creditallocation WHERE transaction_id = NEW.transaction_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transaction % has no allocation', NEW.transaction_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    DELETE FROM quickscale_credits_unexplained WHERE transaction_id = NEW.transaction_id;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_unexplained
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_unexplained();

-- The terms of a lot never change, nor those of a hold, but that it may end later. Owners and actors
-- never change, but that they may go. The keys of owners and actors are compared by functions, for a trigger
-- that names a column keeps its type from being changed, as when keys of users become longer.

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

CREATE FUNCTION quickscale_credits_keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.owner_id IS DISTINCT FROM OLD.owner_id AND NEW.owner_id IS NOT NULL THEN
        RAISE EXCEPTION 'account % keeps its owner', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER quickscale_credits_keep_owner
    BEFORE UPDATE ON quickscale_credits_creditaccount
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_keep_owner();

CREATE FUNCTION quickscale_credits_keep_actor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actor_id IS DISTINCT FROM OLD.actor_id AND NEW.actor_id IS NOT NULL THEN
        RAISE EXCEPTION 'hold % keeps its actor', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER quickscale_credits_keep_actor
    BEFORE UPDATE ON quickscale_credits_credithold
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_keep_actor();

-- What a hold sets aside never changes, and at commit a new hold is what its allocations say.

CREATE TRIGGER quickscale_credits_fixed
    BEFORE DELETE OR UPDATE ON quickscale_credits_creditholdallocation
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();

CREATE FUNCTION quickscale_credits_check_hold() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
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
