"""Why a delivery was not sent."""


class NothingToSend(Exception):
    """What the row was to tell is no longer true; another row tells what is."""


class PermanentFailure(Exception):
    """It can never be delivered; the message is the reason, for the organizer."""


class TemporaryFailure(Exception):
    """It could not be delivered now. `for_all`: nothing else could be, either."""

    def __init__(self, reason: str, *, for_all: bool = False) -> None:
        super().__init__(reason)
        self.for_all = for_all
