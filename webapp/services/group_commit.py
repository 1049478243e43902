"""Merges concurrent work on one key into batches, so that many callers share one transaction.

The first caller of an idle key leads at once with a batch of its own; what arrives meanwhile is
the next batch. A leader whose own entry is settled hands the lead to one that waits, so nobody
serves others for ever. The same merging serves writes (one commit for many commands) and reads
(one query for many readers, each started after all of its readers asked).
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")
Result = TypeVar("Result")


# So many of a settled batch are woken at once, and each of them wakes one more. All together they
# would be woken only to wait for each other again: one thread of a process runs at a time.
WOKEN_AT_ONCE = 8


class Overloaded(Exception):
    """An entry was not taken up in time and has been withdrawn; nothing was done for it."""


class _Seat(Generic[Entry, Result]):
    """One caller's place in a queue; `bell` is held shut until there is news for the caller."""

    __slots__ = ("bell", "entry", "error", "leads", "result", "taken", "wakes")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.bell = Lock()
        self.bell.acquire()
        self.leads = self.taken = False
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.wakes: _Seat[Entry, Result] | None = None


class GroupCommit(Generic[Key, Entry, Result]):
    """Runs `run(key, entries)` for merged batches and gives each caller its own result.

    `run` answers one result per entry, in order; an exception among the results is raised to
    that entry's caller alone. What `run` itself raises is raised to every caller of the batch.
    `patience` is how long, in seconds, an entry waits to be taken up before it is withdrawn.
    """

    def __init__(
        self,
        run: Callable[[Key, list[Entry]], Sequence[Result | Exception]],
        *,
        largest_batch: int = 128,
        patience: float = 3.0,
    ) -> None:
        self._run = run
        self._largest_batch = largest_batch
        self._patience = patience
        self._lock = Lock()
        # A key is present exactly while somebody leads it.
        self._queues: dict[Key, deque[_Seat[Entry, Result]]] = {}

    def is_busy(self, key: Key) -> bool:
        """Whether somebody leads this key, so that an entry would be in good company."""
        return key in self._queues

    def submit(self, key: Key, entry: Entry, *, waited: float = 0.0) -> Result:
        """Have `entry` run in some batch of `key` and return its result.

        `waited` are the seconds of patience that its caller has spent elsewhere.
        Raises `Overloaded` when the entry could not be taken up in time, else what `run` raised.
        """
        seat: _Seat[Entry, Result] = _Seat(entry)
        with self._lock:
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque()
                seat.leads = seat.taken = True
            else:
                queue.append(seat)
        if not seat.leads:
            self._wait(key, seat, max(0.0, self._patience - waited))
        if seat.leads:
            self._lead(key, seat)
        if seat.wakes is not None:
            seat.wakes.bell.release()
        if seat.error is not None:
            raise seat.error
        return seat.result  # type: ignore[return-value]  # settled: set together with no error

    def _wait(self, key: Key, seat: _Seat[Entry, Result], patience: float) -> None:
        """Return when the seat is settled or has been given the lead."""
        if seat.bell.acquire(timeout=patience):
            return
        with self._lock:
            if not seat.taken:
                self._queues[key].remove(seat)
                raise Overloaded
        # Taken: its leader settles it whatever happens, and its outcome must not be lost.
        seat.bell.acquire()

    def _lead(self, key: Key, seat: _Seat[Entry, Result]) -> None:
        """Run one batch that holds `seat`, settle it, and pass the lead on."""
        with self._lock:
            queue = self._queues[key]
            batch = [seat]
            while queue and len(batch) < self._largest_batch:
                batch.append(queue.popleft())
            for member in batch:
                member.taken = True
        seat.leads = False
        try:
            results = self._run(key, [member.entry for member in batch])
            for member, result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    member.error = result
                else:
                    member.result = result
        except BaseException as error:
            for member in batch:
                member.error = error
        finally:
            self._pass_on(key)
            followers = batch[1:]
            for member, later in zip(followers, followers[WOKEN_AT_ONCE:], strict=False):
                member.wakes = later
            for member in followers[:WOKEN_AT_ONCE]:
                member.bell.release()

    def _pass_on(self, key: Key) -> None:
        with self._lock:
            queue = self._queues[key]
            if not queue:
                del self._queues[key]
                return
            successor = queue.popleft()
            successor.leads = successor.taken = True
        successor.bell.release()
