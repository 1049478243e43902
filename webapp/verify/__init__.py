"""The machine check: every rule against the database, in one snapshot."""
