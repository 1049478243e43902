"""The JSON API: the same services as the pages, JSON in and JSON out."""

from webapp.api import bookings, docs, door, events, levels, openapi, types
from webapp.api.blueprint import bp

__all__ = ["bookings", "bp", "docs", "door", "events", "levels", "openapi", "types"]
