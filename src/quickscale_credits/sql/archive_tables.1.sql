-- Where old lines go (docs/decisions/archive.md). A column that the journal gets, these get too.

CREATE TABLE quickscale_credits_archivedtransaction (
    LIKE quickscale_credits_credittransaction,
    usage_id bigint,
    PRIMARY KEY (id),
    UNIQUE (account_id, sequence)
);
-- Keys of users may become longer one day, where these rows can't change any more.
ALTER TABLE quickscale_credits_archivedtransaction ALTER actor_id TYPE text;
CREATE UNIQUE INDEX quickscale_credits_archivedtransaction_key
    ON quickscale_credits_archivedtransaction (account_id, idempotency_key)
 WHERE idempotency_key <> '';
CREATE UNIQUE INDEX quickscale_credits_archivedtransaction_hold
    ON quickscale_credits_archivedtransaction (hold_id) WHERE hold_id IS NOT NULL;
CREATE UNIQUE INDEX quickscale_credits_archivedtransaction_usage
    ON quickscale_credits_archivedtransaction (usage_id) WHERE usage_id IS NOT NULL;

CREATE TABLE quickscale_credits_archivedallocation (
    LIKE quickscale_credits_creditallocation,
    PRIMARY KEY (id)
);
CREATE INDEX quickscale_credits_archivedallocation_lot
    ON quickscale_credits_archivedallocation (account_id, lot_id, transaction_id);

-- An account has one line that carries forward; its index also spares a search through deleted rows.
CREATE UNIQUE INDEX quickscale_credits_transaction_carry
    ON quickscale_credits_credittransaction (account_id) WHERE kind = 'carry';

CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE OR DELETE ON quickscale_credits_archivedtransaction
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_change();
CREATE TRIGGER quickscale_credits_append_only
    BEFORE UPDATE OR DELETE ON quickscale_credits_archivedallocation
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_change();

-- It is emptied with the journal, which goes only together with the accounts.

CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_archivedtransaction
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();
CREATE TRIGGER quickscale_credits_no_truncate
    AFTER TRUNCATE ON quickscale_credits_archivedallocation
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_refuse_truncate();

CREATE FUNCTION quickscale_credits_empty_archive() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    TRUNCATE quickscale_credits_archivedtransaction, quickscale_credits_archivedallocation;
    RETURN NULL;
END
$$;

CREATE TRIGGER quickscale_credits_with_archive
    AFTER TRUNCATE ON quickscale_credits_credittransaction
    FOR EACH STATEMENT EXECUTE FUNCTION quickscale_credits_empty_archive();

-- A row leaves the journal only when the archive has the same. A line that carries the balance forward
-- may go as well: at commit another one stands for it, and for all that was deleted.

CREATE FUNCTION quickscale_credits_check_archived() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_TABLE_NAME = 'quickscale_credits_credittransaction' THEN
        PERFORM FROM quickscale_credits_archivedtransaction kept
          WHERE kept.id = OLD.id AND kept.actor_id IS NOT DISTINCT FROM OLD.actor_id::text
            AND to_jsonb(kept) - '{usage_id,actor_id}'::text[] = to_jsonb(OLD) - 'actor_id';
    ELSE
        PERFORM FROM quickscale_credits_archivedallocation kept
          WHERE kept.id = OLD.id AND to_jsonb(kept) = to_jsonb(OLD);
    END IF;
    IF NOT FOUND AND 'carry' IS DISTINCT FROM (
        SELECT kind FROM quickscale_credits_credittransaction
         WHERE id = (to_jsonb(OLD) ->> TG_ARGV[0])::bigint
    ) THEN
        RAISE EXCEPTION '% keeps what is not in the archive: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER quickscale_credits_archived
    BEFORE DELETE ON quickscale_credits_credittransaction
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_archived('id');
CREATE TRIGGER quickscale_credits_archived
    BEFORE DELETE ON quickscale_credits_creditallocation
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_archived('transaction_id');

-- So does a claim, whose revocation is in the archive then.

CREATE FUNCTION quickscale_credits_check_claim() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM quickscale_credits_archivedtransaction WHERE id = OLD.revocation_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% keeps what is not in the archive: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER quickscale_credits_archived
    BEFORE DELETE ON quickscale_credits_creditclaim
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_claim();

CREATE FUNCTION quickscale_credits_check_carried() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    found_sound boolean;
BEGIN
    IF TG_TABLE_NAME = 'quickscale_credits_credittransaction' THEN
        found_sound := EXISTS (
            SELECT FROM quickscale_credits_credittransaction
             WHERE account_id = OLD.account_id AND sequence >= OLD.sequence AND kind = 'carry');
    ELSE
        -- The line that carries forward has the id of the last one that it stands for.
        found_sound := NOT EXISTS (
            SELECT FROM quickscale_credits_credittransaction entry
             WHERE entry.id = OLD.transaction_id AND (entry.kind <> 'carry' OR NOT EXISTS (
                   SELECT FROM quickscale_credits_archivedallocation WHERE id = OLD.id)));
    END IF;
    IF NOT found_sound THEN
        RAISE EXCEPTION 'nothing carries the balance of account % forward', OLD.account_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER quickscale_credits_carried
    AFTER DELETE ON quickscale_credits_credittransaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_carried();
CREATE CONSTRAINT TRIGGER quickscale_credits_carried
    AFTER DELETE ON quickscale_credits_creditallocation
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION quickscale_credits_check_carried();

-- At commit, a line that carries forward is the account's first and says what the archive sums to.

CREATE FUNCTION quickscale_credits_check_carry() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.amount <> NEW.balance_after OR EXISTS (
        SELECT FROM quickscale_credits_credittransaction
         WHERE account_id = NEW.account_id AND sequence < NEW.sequence)
    OR (SELECT (count(*), max(sequence), sum(amount))
               IS DISTINCT FROM (NEW.sequence, NEW.sequence, NEW.amount)
          FROM quickscale_credits_archivedtransaction WHERE account_id = NEW.account_id)
    OR EXISTS (
        SELECT FROM (
            SELECT lot_id, sum(amount) AS amount FROM quickscale_credits_archivedallocation
             WHERE account_id = NEW.account_id GROUP BY lot_id) archived
          FULL JOIN (
            SELECT lot_id, amount FROM quickscale_credits_creditallocation
             WHERE transaction_id = NEW.id) carried USING (lot_id)
         WHERE coalesce(archived.amount, 0) <> coalesce(carried.amount, 0))
    THEN
        RAISE EXCEPTION 'line % of account % does not carry forward what the archive sums to',
            NEW.sequence, NEW.account_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER quickscale_credits_carries
    AFTER INSERT ON quickscale_credits_credittransaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'carry')
    EXECUTE FUNCTION quickscale_credits_check_carry();
