"""References, ticket codes and batch ids: random bytes of the operating system as text; tokens.

A thread that asks the system for random bytes releases the GIL and has to get it back; with many
threads that took 7 % of a booking. So they are fetched many at a time.
"""

import hashlib
import hmac
import os
import re
from base64 import urlsafe_b64encode
from collections import deque

from webapp.config import current_settings

SIZE = 16
FETCHED = 64
# The kinds of code that can be replaced.
REFERENCE, TICKET_CODE = "reference", "ticket_code"
# One of 32 letters for each byte there is.
CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 8
# Letters that no code has, and the digits that they are taken for.
MISTAKEN = str.maketrans("OIL", "011")
is_ticket_code = re.compile(r"[0-9A-HJKMNP-TV-Z]{1,16}").fullmatch

_ready: deque[bytes] = deque()
# A child must not give out what its parent will.
os.register_at_fork(after_in_child=_ready.clear)


def new_reference() -> str:
    """128 random bits, URL-safe: whoever knows it may see and cancel the booking.

    None begins with a hyphen: a spreadsheet would take it for a formula.
    """
    while (reference := urlsafe_b64encode(random_bytes())[:22].decode()).startswith("-"):
        pass
    return reference


def new_ticket_code() -> str:
    """80 random bits in letters that are not mistaken for each other: it can be typed at a door."""
    return random_bytes().translate(CROCKFORD).decode()


def new_promo_code() -> str:
    """40 random bits in the same letters: short enough for a poster, too many to be guessed."""
    return new_ticket_code()[:8]


def as_ticket_code(text: str) -> str:
    """What was typed as a ticket code is written: in groups, in small letters, with o for 0.

    Empty where it cannot be one, or the beginning of one.
    """
    typed = "".join(text.split()).replace("-", "").upper().translate(MISTAKEN)
    return typed if is_ticket_code(typed) else ""


def code_hash(code: str) -> str:
    """What is kept of a code that was replaced; it is random, so it needs no salt."""
    return hashlib.sha256(code.encode()).hexdigest()


def random_bytes() -> bytes:
    """16 bytes that nobody can guess and nobody else is given."""
    while True:
        try:
            # Atomic: no two threads get the same bytes.
            return _ready.pop()
        except IndexError:
            fresh = os.urandom(SIZE * FETCHED)
            _ready.extend(fresh[start : start + SIZE] for start in range(0, len(fresh), SIZE))


def token_for(event_id: int, position: int, *, purpose: str, reference: str) -> str:
    """What only a mail holds, to show that it was read; good for this purpose alone.

    It is void once the booking has another reference.
    """
    secret = current_settings().secret_key
    assert secret is not None
    signed = f"booking {event_id} {position} {purpose} {reference}"
    return urlsafe_b64encode(hmac.digest(secret.encode(), signed.encode(), "sha256"))[:32].decode()


def is_token_for(token: str, event_id: int, position: int, *, purpose: str, reference: str) -> bool:
    """Whether `token_for` made the token for just this."""
    good = token_for(event_id, position, purpose=purpose, reference=reference)
    return hmac.compare_digest(token.encode("utf-8", "replace"), good.encode())
