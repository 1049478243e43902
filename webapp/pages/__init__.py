"""The HTML pages of attendees and organizers."""
