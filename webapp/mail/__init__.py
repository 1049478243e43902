"""Deliveries as e-mail: what a mail says, how it is put together, and how it leaves."""
