-- Refuse any change to a row, or to the columns that the trigger names.
CREATE OR REPLACE FUNCTION quickscale_credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps what it has: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
