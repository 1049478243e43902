"""Merges concurrent work on one key into batches, so that many callers share one transaction.

The first caller of an idle key becomes the leader and runs a batch of its own at once; what arrives
meanwhile is the next batch. A leader whose own entry is done hands the lead to a caller that waits,
so nobody serves others for ever. The same merging serves writes (group commit: one commit for many
commands) and reads (single flight: one query for many readers, begun after all of them asked).
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from webapp.errors import Unavailable

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")
Result = TypeVar("Result")

# How many callers of a finished batch the leader wakes; each of them wakes one more. Waking all of
# them at once makes them contend for the GIL: 7 % slower, measured.
WAKE_FAN_OUT = 8


class _Caller(Generic[Entry, Result]):
    """One caller in a queue. `done` is held until the caller has a result, or has to lead."""

    __slots__ = ("done", "entry", "error", "leads", "result", "taken", "wakes")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        # A lock that is released by another thread: cheaper than an Event, and as good for one.
        self.done = Lock()
        self.done.acquire()
        self.leads = self.taken = False
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.wakes: _Caller[Entry, Result] | None = None


class Batcher(Generic[Key, Entry, Result]):
    """Runs `run(key, entries)` for merged batches and gives each caller its own result.

    `run` returns one result per entry, in order; an exception among the results is raised to that
    entry's caller alone. What `run` itself raises is raised to every caller of the batch.
    `patience` is how long, in seconds, an entry waits to be taken into a batch before it is
    withdrawn.
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
        # A key is present exactly while a batch for it is running.
        self._queues: dict[Key, deque[_Caller[Entry, Result]]] = {}

    def is_running(self, key: Key) -> bool:
        """True while a batch for `key` is running; a new entry joins the next one."""
        return key in self._queues

    def submit(self, key: Key, entry: Entry, *, elapsed: float = 0.0) -> Result:
        """Have `entry` run in some batch of `key` and return its result.

        `elapsed` are the seconds of patience that its caller has spent elsewhere.
        Raises `Unavailable` when the entry was not taken into a batch in time and nothing was done
        for it, else what `run` raised.
        """
        caller: _Caller[Entry, Result] = _Caller(entry)
        with self._lock:
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque()
                caller.leads = caller.taken = True
            else:
                queue.append(caller)
        if not caller.leads:
            self._wait(key, caller, max(0.0, self._patience - elapsed))
        if caller.leads:
            self._lead(key, caller)
        if caller.wakes is not None:
            caller.wakes.done.release()
        if caller.error is not None:
            raise caller.error
        return caller.result  # type: ignore[return-value]  # set wherever there is no error

    def _wait(self, key: Key, caller: _Caller[Entry, Result], patience: float) -> None:
        """Return when the caller has a result or has been given the lead."""
        if caller.done.acquire(timeout=patience):
            return
        with self._lock:
            if not caller.taken:
                self._queues[key].remove(caller)
                raise Unavailable
        # Its batch is running: the leader sets a result whatever happens, and it must not be lost.
        caller.done.acquire()

    def _lead(self, key: Key, leader: _Caller[Entry, Result]) -> None:
        """Run one batch that holds the leader's entry, set its results, and pass the lead on."""
        with self._lock:
            queue = self._queues[key]
            batch = [leader]
            while queue and len(batch) < self._largest_batch:
                batch.append(queue.popleft())
            for member in batch:
                member.taken = True
        leader.leads = False
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
            self._pass_lead(key)
            followers = batch[1:]
            for member, later in zip(followers, followers[WAKE_FAN_OUT:], strict=False):
                member.wakes = later
            for member in followers[:WAKE_FAN_OUT]:
                member.done.release()

    def _pass_lead(self, key: Key) -> None:
        with self._lock:
            queue = self._queues[key]
            if not queue:
                del self._queues[key]
                return
            successor = queue.popleft()
            successor.leads = successor.taken = True
        successor.done.release()
