"""The processes: the parent, its workers and the deliverer."""
