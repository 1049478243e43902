"""The heart: bookings of tickets, and the waiting list."""
