"""Why a delivery was not sent."""

from datetime import datetime


class NothingToSend(Exception):
    """What the row was to tell is no longer true; another row tells what is."""


class PermanentFailure(Exception):
    """It can never be delivered; the message is the reason, for the organizer."""


class TemporaryFailure(Exception):
    """It could not be delivered now. `for_all`: nothing else could be, either."""

    def __init__(self, reason: str, *, for_all: bool = False) -> None:
        super().__init__(reason)
        self.for_all = for_all


class SummedUp(Exception):
    """Another mail tells it, which has been noted: its recipient has had enough for now."""


class NotYet(Exception):
    """It may leave later, as its recipient or its network has had enough for now."""

    def __init__(self, due: datetime) -> None:
        super().__init__(due)
        self.due = due
