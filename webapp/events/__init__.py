"""What organizers make of an event."""
