"""The application with one guard taken out, to show that the checks notice.

Each function breaks one guard in the process that calls it. A server started with `environ_of`
does so in its parent and in every worker.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, select, update

from tests.support.servers import ROOT

NAME = "TEST_MUTANT"
ONCE = "TEST_MUTANT_ONCE"


def environ_of(mutant: Callable[[], None]) -> Mapping[str, str]:
    """The variables that make a server this mutant."""
    hook = Path(__file__).parent / "mutant"
    return {NAME: mutant.__name__, "PYTHONPATH": f"{hook}{os.pathsep}{ROOT}"}


def mutate_this_process() -> None:
    if name := os.environ.get(NAME):
        globals()[name]()


def without_lock_and_guard() -> None:
    """Nobody waits for the event's row, and nobody looks whether somebody else was first."""
    from webapp.booking import figures, load
    from webapp.storage.composite_keys import match_any
    from webapp.storage.tables import events

    unlocked = select(*load.deciding_columns)
    load.lock_statement = unlocked.where(events.c.id == bindparam("event_id"))
    _replace(load, lock_unlocked_statement=lambda n: unlocked.where(match_any([events.c.id], n)))
    figures.guarded_update = update(events).where(events.c.id == bindparam("of_event"))
    claims_of = load.claims_of

    def claims_after_a_while(*what: Any, **more: Any) -> Any:
        # Time for somebody else to commit: two that never overlap need no lock.
        time.sleep(0.01)
        return claims_of(*what, **more)

    load.claims_of = claims_after_a_while


def with_an_old_snapshot() -> None:
    """REPEATABLE READ, and something was read before the lock."""
    from webapp.booking import load
    from webapp.storage import transaction
    from webapp.storage.engines import write_engine
    from webapp.storage.tables import events

    lock_event, lock_unlocked_events = load.lock_event, load.lock_unlocked_events

    def repeatable() -> Engine:
        return write_engine().execution_options(isolation_level="REPEATABLE READ")

    def read_first(connection: Connection) -> None:
        connection.execute(select(events.c.name).limit(1)).all()
        # Time for somebody else to commit, as a page that does more than this would take.
        time.sleep(0.02)

    def lock_late(connection: Connection, event_id: int) -> Any:
        read_first(connection)
        return lock_event(connection, event_id)

    def lock_unlocked_late(connection: Connection, event_ids: Collection[int]) -> Any:
        read_first(connection)
        return lock_unlocked_events(connection, event_ids)

    _replace(transaction, write_engine=repeatable)
    _replace(load, lock_event=lock_late, lock_unlocked_events=lock_unlocked_late)


def without_waiting_for_other_nodes() -> None:
    """A node of a cluster answers with what it has, though others may have committed more."""
    from webapp.storage import engines

    prepare = engines.prepare_mysql

    def prepare_to_be_stale(connection: Any, entry: Any) -> None:
        prepare(connection, entry)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION wsrep_sync_wait = 0")

    _replace(engines, prepare_mysql=prepare_to_be_stale)


def without_retry() -> None:
    """What fails once is given up."""
    from webapp.storage import transaction

    transaction.ATTEMPTS = 1


def taking_a_lost_commit_for_failed() -> None:
    """After a connection was lost in COMMIT everything is done again without a look."""
    _take_every_lost_commit_for(already_committed=False)


def taking_a_lost_commit_for_done() -> None:
    """After a connection was lost in COMMIT everybody is told that it worked."""
    _take_every_lost_commit_for(already_committed=True)


def _take_every_lost_commit_for(*, already_committed: bool) -> None:
    from webapp.booking import batch

    def believe(*_: object, **__: object) -> bool:
        return already_committed

    _replace(batch, is_committed=believe)


def without_one_time_keys() -> None:
    """Keys are neither looked up nor kept."""
    from webapp.storage import idempotency

    def nothing(*_: object) -> dict[str, str]:
        return {}

    _replace(idempotency, find=nothing, remember=nothing)


def with_a_stale_cache() -> None:
    """An event's figures are kept for a moment instead of being read."""
    from webapp.booking import queries
    from webapp.extensions import PerApp
    from webapp.storage.batcher import Batcher

    read = queries.read_event
    kept: dict[int, tuple[float, Any]] = {}

    def remembered(event_id: int, entries: list[None]) -> list[Any]:
        moment, row = kept.get(event_id, (0.0, None))
        if time.monotonic() - moment > 0.3:
            [row] = read(event_id, [None])
            kept[event_id] = time.monotonic(), row
        return [row] * len(entries)

    queries.event_reads = PerApp(lambda: Batcher(remembered))


def letting_newcomers_pass() -> None:
    """Whoever fits is confirmed, though others wait."""
    from webapp.booking.inventory import Inventory
    from webapp.booking.line import Line, Walk

    def nobody_waits(self: Line, inventory: Inventory) -> Walk:
        return Walk(inventory)

    Line.walk_to_end = nobody_waits  # type: ignore[method-assign]


def dying_after_a_commit() -> None:
    """The worker that finds the file `ONCE` takes it and dies when it has committed."""
    from webapp.storage import transaction

    commit = transaction._commit

    def die(work: Callable[[Connection], Any]) -> Any:
        done = commit(work)
        with contextlib.suppress(FileNotFoundError):
            Path(os.environ[ONCE]).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    _replace(transaction, _commit=die)


def _replace(module: ModuleType, **functions: Callable[..., Any]) -> None:
    for name, function in functions.items():
        assert hasattr(module, name)
        setattr(module, name, function)
