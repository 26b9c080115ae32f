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

ALTER TABLE quickscale_credits_serviceusage
    ADD CONSTRAINT quickscale_credits_usage_transaction_key FOREIGN KEY (account_id, transaction_id)
    REFERENCES quickscale_credits_credittransaction (account_id, id) DEFERRABLE;

-- Room on each page, so that a new version of a row stays on it and no index changes.

ALTER TABLE quickscale_credits_creditaccount SET (fillfactor = 70);
ALTER TABLE quickscale_credits_creditlot SET (fillfactor = 80);
ALTER TABLE quickscale_credits_credithold SET (fillfactor = 80);

-- The journal only grows.

CREATE FUNCTION quickscale_credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE OR DELETE ON quickscale_credits_credittransaction
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE OR DELETE ON quickscale_credits_creditallocation
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

-- At commit, each new transaction follows the one before it and is explained by its allocations.

CREATE FUNCTION quickscale_credits_check_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    explained numeric;
    before numeric;
BEGIN
    SELECT coalesce(sum(amount), 0) INTO explained
      FROM quickscale_credits_creditallocation
     WHERE transaction_id = NEW.id;
    IF explained <> NEW.amount THEN
        RAISE EXCEPTION 'transaction % is of %, and its allocations sum to %',
            NEW.id, NEW.amount, explained
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    IF NEW.sequence = 1 THEN
        before := 0;
    ELSE
        SELECT balance_after INTO before
          FROM quickscale_credits_credittransaction
         WHERE account_id = NEW.account_id AND sequence = NEW.sequence - 1;
    END IF;
    IF before IS NULL OR before + NEW.amount <> NEW.balance_after THEN
        RAISE EXCEPTION 'transaction % does not follow the one before it in account %',
            NEW.sequence, NEW.account_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    PERFORM FROM quickscale_credits_creditaccount
      WHERE id = NEW.account_id AND next_sequence > NEW.sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % does not count transaction %', NEW.account_id, NEW.sequence
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER quickscale_credits_explained
    AFTER INSERT ON quickscale_credits_credittransaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_transaction();

-- An allocation belongs to a transaction of the same database transaction: nothing is added later.

CREATE FUNCTION quickscale_credits_check_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    difference numeric;
BEGIN
    SELECT entry.amount - sum(part.amount) INTO difference
      FROM quickscale_credits_credittransaction entry
      JOIN quickscale_credits_creditallocation part ON part.transaction_id = entry.id
     WHERE entry.id = NEW.transaction_id
     GROUP BY entry.amount;
    IF difference <> 0 THEN
        RAISE EXCEPTION 'the allocations of transaction % do not sum to its amount',
            NEW.transaction_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER quickscale_credits_explains
    AFTER INSERT ON quickscale_credits_creditallocation
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_allocation();

-- At commit, what a hold sets aside is what its allocations say.

CREATE FUNCTION quickscale_credits_check_hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    the_hold bigint;
BEGIN
    IF TG_TABLE_NAME = 'quickscale_credits_credithold' THEN
        the_hold := NEW.id;
    ELSE
        the_hold := coalesce(NEW.hold_id, OLD.hold_id);
    END IF;
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
    AFTER INSERT OR UPDATE OF amount ON quickscale_credits_credithold
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_hold();
CREATE CONSTRAINT TRIGGER quickscale_credits_explains
    AFTER INSERT OR DELETE OR UPDATE OF hold_id, amount ON quickscale_credits_creditholdallocation
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_hold();
