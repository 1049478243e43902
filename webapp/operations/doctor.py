"""`flask doctor`: is everything there that a site needs, and which setting mends what is not.

The checks run side by side, each within its time, so a host that is dead holds up nothing else.
None changes anything, and none shows a secret.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock, Thread
from typing import NamedTuple

from flask import Flask, current_app
from sqlalchemy import text

from webapp.errors import Unavailable
from webapp.operations.database import check_durability, check_tables
from webapp.operations.findings import Finding, State, fix
from webapp.operations.keeping import check_backup, check_rules
from webapp.operations.machine import check_clock, check_counters, check_disk, check_files
from webapp.operations.mailing import check_deliverer, check_queue, check_server, send_one
from webapp.operations.reaching import check_reaching
from webapp.storage.transaction import read
from webapp.text.sentence import later as _

__all__ = ["Finding", "State", "examine", "look_for_organizer"]

log = logging.getLogger(__name__)

ALL_SECONDS = 20.0
SENDING_SECONDS = 75.0


class Check(NamedTuple):
    """A check, and how long it is waited for; what it finds may be for the operator alone."""

    run: Callable[[], list[Finding]]
    is_operators: bool = False
    needs_database: bool = False
    seconds: float = ALL_SECONDS


CHECKS = (
    Check(check_reaching),
    Check(check_server),
    Check(check_deliverer, needs_database=True),
    Check(check_queue, needs_database=True),
    Check(check_tables, is_operators=True, needs_database=True),
    Check(check_durability, is_operators=True, needs_database=True),
    Check(check_rules, is_operators=True, needs_database=True),
    Check(check_backup, is_operators=True, needs_database=True),
    Check(check_clock, is_operators=True, needs_database=True),
    Check(check_counters, is_operators=True),
    Check(check_disk, is_operators=True),
    Check(check_files, is_operators=True),
)

_running = Lock()


def examine(*, to: str | None = None) -> list[Finding]:
    """Run all checks, and with `to` send a mail to that address; what each finds, in order."""
    sending = [] if to is None else [Check(partial(send_one, to), seconds=SENDING_SECONDS)]
    return _run([*CHECKS, *sending])


def look_for_organizer() -> tuple[list[Finding], bool]:
    """What organizers may read, and whether there is more for the operator to mend.

    Raises `Unavailable` while somebody else has it run in this process.
    """
    if not _running.acquire(blocking=False):
        raise Unavailable
    try:
        found = _run(CHECKS)
    finally:
        _running.release()
    more = any(one.is_operators and one.state is State.FIX for one in found)
    return [one for one in found if not one.is_operators], more


def _run(checks: Sequence[Check]) -> list[Finding]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # of the proxy
    faults = _faults_of_database()
    able = [one for one in checks if not (faults and one.needs_database)]
    begun = time.monotonic()
    found: dict[int, list[Finding]] = {}
    threads = [
        Thread(target=_note, args=(app, found, number, check), daemon=True)
        for number, check in enumerate(able)
    ]
    for thread in threads:
        thread.start()
    for number, (thread, check) in enumerate(zip(threads, able, strict=True)):
        thread.join(max(0.0, begun + check.seconds - time.monotonic()))
        if number not in found:
            found[number] = [_took_too_long(check)]
    # What comes later is too late.
    told = [one for number in range(len(able)) for one in found[number]]
    return [*faults, *told]


def _note(app: Flask, found: dict[int, list[Finding]], number: int, check: Check) -> None:
    with app.app_context():
        try:
            lines = check.run()
        except Unavailable:
            lines = [_unavailable()]
        except Exception as error:
            log.exception("a check of the doctor failed")
            what = type(error).__name__
            lines = [
                fix("%(name)s could not be checked (%(what)s): the log has more.",
                    name=_name_of(check), what=what).for_operator()
            ]  # fmt: skip
    found.setdefault(number, [one.for_operator() for one in lines] if check.is_operators else lines)


def _faults_of_database() -> list[Finding]:
    try:
        read(lambda connection: connection.execute(text("SELECT 1")).scalar())
    except Unavailable:
        return [_unavailable()]
    except Exception as error:
        # No password, no such database: its words may name the user.
        code = getattr(getattr(error, "orig", None), "args", [""])[0]
        return [
            fix(
                "DATABASE_URL: the database refuses us (%(code)s). Check user, password and name.",
                code=code if isinstance(code, int) else type(error).__name__,
            ).for_operator()
        ]
    return []


def _unavailable() -> Finding:
    return fix(_("The database cannot be reached. Whoever runs this site starts it again."))


def _took_too_long(check: Check) -> Finding:
    text = "%(name)s took more than %(seconds)s seconds, and was given up."
    return fix(text, name=_name_of(check), seconds=round(check.seconds)).for_operator()


def _name_of(check: Check) -> str:
    name = getattr(check.run, "__name__", "sending")
    return name.removeprefix("check_")
