"""Organizers: their names, passwords and tokens."""
