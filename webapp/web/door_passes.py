"""Who comes with a door pass: as a cookie at the door's pages, as a Bearer token at the API.

Only what is no pass of anybody's counts as a guess, and only further guesses are refused then:
whoever shares a network with a stranger goes on letting people in.
"""

from webapp.door.passes import DoorPass, find_pass
from webapp.errors import PassEnded
from webapp.web.rate_limits import WRONG_DOOR_PASSES, client


def check_pass(token: str) -> DoorPass:
    """The pass of a token, which is good now.

    Raises `PassEnded` for one that is over or none, and `TooManyRequests` for guesses.
    """
    if not token:
        raise PassEnded
    found = find_pass(token)
    if found is None:
        state = WRONG_DOOR_PASSES.hit(client())
        if state is not None:
            state.refuse_if_exceeded()
        raise PassEnded("unknown")
    if found.revoked_at is not None:
        raise PassEnded("revoked")
    if found.is_over:
        raise PassEnded("ended")
    return found
