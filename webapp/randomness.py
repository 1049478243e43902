"""Random bytes of the operating system, fetched many at a time.

A thread that asks the system gives way to all others while it waits: with many threads that costs
more than anything else about a booking's two secrets.
"""

import os
from collections import deque

SIZE = 16
FETCHED = 64

_ready: deque[bytes] = deque()
# A child must not give out what its parent will.
os.register_at_fork(after_in_child=_ready.clear)


def random_bytes() -> bytes:
    """16 bytes that nobody can guess and nobody else is given."""
    while True:
        try:
            # One step for all threads: none gets what another has taken.
            return _ready.pop()
        except IndexError:
            fresh = os.urandom(SIZE * FETCHED)
            _ready.extend(fresh[start : start + SIZE] for start in range(0, len(fresh), SIZE))
