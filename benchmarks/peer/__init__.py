"""The ledger is compared with these: the same rules in the ORM, and a bare statement."""
