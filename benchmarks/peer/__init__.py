"""What the ledger is compared with: the same rules written with the ORM, and the bare statement."""
