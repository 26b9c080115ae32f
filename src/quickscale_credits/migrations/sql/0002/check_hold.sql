-- Check at commit that a hold's amount is the sum of its allocations. The trigger's argument names
-- the column that contains the hold's id.
CREATE OR REPLACE FUNCTION quickscale_credits_check_hold() RETURNS trigger LANGUAGE plpgsql
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
