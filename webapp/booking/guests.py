"""The ids of attendees whom an organizer books without an e-mail address.

Each is longer than a userId may be and has no @, so nobody else is ever known by it: neither an
address nor what an integrator calls somebody.
"""

import hashlib
import unicodedata

from webapp.booking.codes import random_bytes

PREFIX = "guest:"
LENGTH = len(PREFIX) + 64


def new_guest_id() -> str:
    """An id for somebody who is booked by hand; the next of the same name has another one."""
    return PREFIX + (random_bytes() + random_bytes()).hex()


def listed_guest_id(event_id: int, name: str) -> str:
    """The id of somebody on a list for an event: the same again for the same name."""
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return PREFIX + hashlib.sha256(f"{event_id}\n{plain}".encode()).hexdigest()


def is_guest_id(attendee_id: str) -> bool:
    """Whether it is one of these, which tells nobody anything."""
    return attendee_id.startswith(PREFIX) and len(attendee_id) == LENGTH
