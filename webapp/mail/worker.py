"""The deliverer: sends what is due in the outbox and does the jobs that come round by the clock.

Any number of deliverers share the work; `storage.outbox` keeps them apart. Beside the mails a
thread of its own beats and has those lapse whose terms are over, each second: a mail server that
hangs holds nobody up.
"""

import logging
import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from typing import Protocol

from flask import Flask, current_app

from webapp.booking import heartbeat, lapses
from webapp.config import current_settings
from webapp.errors import Unavailable
from webapp.logs import log_event
from webapp.mail import limits
from webapp.mail.channel import MailChannel
from webapp.mail.failures import (
    NothingToSend,
    NotYet,
    PermanentFailure,
    SummedUp,
    TemporaryFailure,
)
from webapp.mail.offers import write_offers
from webapp.mail.scheduled import write_due
from webapp.storage import idempotency, outbox
from webapp.storage.rows import DeliveryRow
from webapp.text.sentences import DELIVERY_PROBLEMS

log = logging.getLogger(__name__)

# No channel takes longer over one row; a row is begun only while the lease outlasts that.
LONGEST_SEND_SECONDS = 75.0
LOOK_SECONDS = 1.0
# What was sent is noted before a longer wait for the next one's turn.
LONGEST_UNNOTED_SECONDS = 0.1
# Mails whose turns come so soon after each other go together, at the last one's: to wake for each
# took a third of its processor time.
TOGETHER_SECONDS = 0.05
MINUTE, HOUR = 60.0, 3600.0
# Much less than the longest silence after which a deliverer counts as away.
BEAT_SECONDS = 30.0
# How long nothing is sent after the channel itself failed, doubling from the first to the last.
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 30.0

# How many seconds lie between its runs, and what is run.
Job = tuple[float, Callable[[], object]]


class Channel(Protocol):
    """A way of sending, such as e-mail."""

    @property
    def name(self) -> str:
        """What `delivery.channel` says of its rows."""

    @property
    def repeats_show(self) -> bool:
        """Whether a row that is sent once more is there twice."""

    def look_ahead(self, deliveries: Sequence[DeliveryRow]) -> None:
        """Read together what the rows of a batch need, which are sent next. Raises `Unavailable`.

        Nothing is lost if that fails: what is missing is read when a row is sent.
        """

    def send(self, delivery: DeliveryRow) -> None:
        """Send one row within `LONGEST_SEND_SECONDS`.

        Raises `NothingToSend`, `SummedUp`, `NotYet`, `PermanentFailure`, `TemporaryFailure`.
        """

    def rest(self) -> None:
        """Let go of what is only worth keeping while there is more to send."""


def deliver(*, until_idle: bool = False) -> None:
    """Deliver mails until told to stop by a signal; with `until_idle`, only what is due now.

    Raises `Unavailable`, with `until_idle` alone, when the database cannot be reached.
    """
    settings = current_settings()
    # The one process that is always there keeps house for the others.
    jobs: Sequence[Job] = (
        (MINUTE, write_due),
        (MINUTE, write_offers),
        (HOUR, idempotency.forget_old),
        (HOUR, partial(outbox.forget_old, outbox.MAIL)),
        (HOUR, limits.forget_old),
    )
    deliverer = Deliverer(MailChannel(settings), per_second=settings.mail_per_second, jobs=jobs)

    def stop(number: int, _: object) -> None:
        deliverer.stop.set()
        # Whoever asks a second time does not want to wait for the mail in hand.
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    settler = Settler(deliverer.stop)
    if until_idle:
        settler.look()
        deliverer.drain()
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # of the proxy
    thread = Thread(target=settler.run, args=(app,))
    thread.start()
    try:
        deliverer.run()
    finally:
        deliverer.stop.set()
        thread.join()


@dataclass(slots=True)
class Settler:
    """Beats, and has those lapse whose terms are over, until `stop` is set."""

    stop: Event
    _beat_due: float = 0.0
    _is_resting: bool = False

    def run(self, app: Flask) -> None:
        """Look each second; what cannot be done now is done later."""
        with app.app_context():
            while not self.stop.is_set():
                try:
                    self.look()
                except Unavailable:
                    # It may last: before anybody lapses there has to be another beat.
                    self._beat_due = 0.0
                except Exception:
                    log.exception("terms cannot be looked after")
                self.stop.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Beat if that is due, then settle what is due. Raises `Unavailable`."""
        if time.monotonic() >= self._beat_due:
            self._is_resting = not lapses.watch()
            self._beat_due = time.monotonic() + (0.0 if self._is_resting else BEAT_SECONDS)
        if not self._is_resting:
            lapses.settle_due()


@dataclass(slots=True)
class Deliverer:
    """Sends the rows of one channel and does its jobs until `stop` is set.

    `per_second` is how many all deliverers send together, at most; of bulk it is a fifth.
    """

    channel: Channel
    per_second: float = math.inf
    jobs: Sequence[Job] = ()
    stop: Event = field(default_factory=Event)
    _rest: float = 0.0
    _sent: list[DeliveryRow] = field(default_factory=list)

    def run(self) -> None:
        """Send what is due and what becomes due, until `stop` is set."""
        due = [time.monotonic()] * len(self.jobs)
        while not self.stop.is_set():
            try:
                if heartbeat.is_resting():
                    self.stop.wait(LOOK_SECONDS)
                    continue
                for number, (every_seconds, work) in enumerate(self.jobs):
                    if time.monotonic() >= due[number]:
                        due[number] = time.monotonic() + every_seconds
                        _do(work)
                if not self.send_batch():
                    self.channel.rest()
                    self.stop.wait(LOOK_SECONDS)
            except Unavailable:
                self.stop.wait(LOOK_SECONDS)
            self.stop.wait(self._rest)
        self.channel.rest()

    def drain(self) -> None:
        """Do each job once, send what is due now and return. Raises `Unavailable`.

        Nothing is done while mails rest after a restore.
        """
        if heartbeat.is_resting():
            return
        for _, work in self.jobs:
            _do(work)
        while not self.stop.is_set() and not self._rest and self.send_batch():
            pass
        self.channel.rest()

    def send_batch(self) -> int:
        """Lease a batch of what is due, send it, and return how many rows that was."""
        lease_ends = time.monotonic() + outbox.LEASE_TIME.total_seconds()
        rows, wait, pause = outbox.lease(self.channel.name, per_second=self.per_second)
        turn = time.monotonic() + wait
        self._look_ahead(rows)
        try:
            for done, delivery in enumerate(rows):
                now = time.monotonic()
                if turn > now:
                    last = turn + pause * (len(rows) - done - 1)
                    too_early = min(turn + TOGETHER_SECONDS, last) - now
                    if too_early > LONGEST_UNNOTED_SECONDS:
                        self._mark_sent(lease_ends)
                    self.stop.wait(too_early)
                turn += pause
                too_late = time.monotonic() + LONGEST_SEND_SECONDS > lease_ends
                if self.stop.is_set() or too_late:
                    outbox.give_back(rows[done:])
                    break
                failure = self._send(delivery, lease_ends)
                if failure is not None and failure.for_all:
                    for left in rows[done + 1 :]:
                        _note(lease_ends, outbox.retry_later, left, str(failure))
                    self._rest = min(self._rest * 2 or FIRST_REST_SECONDS, LONGEST_REST_SECONDS)
                    break
                self._rest = 0.0
        finally:
            self._mark_sent(lease_ends)
        return len(rows)

    def _look_ahead(self, rows: Sequence[DeliveryRow]) -> None:
        try:
            self.channel.look_ahead(rows)
        except Unavailable:
            pass
        except Exception:
            log.exception("a batch of deliveries cannot be looked at")

    def _mark_sent(self, lease_ends: float) -> None:
        """Note what was sent and not noted yet."""
        sent, self._sent = self._sent, []
        _note(lease_ends, outbox.mark_all_sent, sent)

    def _send(self, delivery: DeliveryRow, lease_ends: float) -> TemporaryFailure | None:
        """Send one row and note what became of it; return what the next ones may meet as well."""
        named = {"delivery": delivery.id, "about": delivery.what, "event_id": delivery.event_id}
        failure = None
        try:
            self.channel.send(delivery)
        except NothingToSend:
            _note(lease_ends, outbox.drop, delivery)
        except SummedUp:
            log_event("delivery summed up", **named)
        except NotYet as wait:
            _note(lease_ends, outbox.postpone, delivery, wait.due)
        except PermanentFailure as refusal:
            step = lapses.begin_term_of(delivery)
            _note(lease_ends, outbox.park, delivery, str(refusal), step)
            log_event("delivery refused", **named)
        except Unavailable:
            outbox.give_back([delivery])
        except Exception as error:
            if isinstance(error, TemporaryFailure):
                failure = error
            else:
                log.exception("delivery %s cannot be written", delivery.id)
                failure = TemporaryFailure(DELIVERY_PROBLEMS["not_written"])
            # That nothing can be sent is not the fault of who would answer.
            is_refused = isinstance(error, TemporaryFailure) and not error.for_all
            step = lapses.begin_term_of(delivery) if is_refused else None
            _note(lease_ends, outbox.retry_later, delivery, str(failure), step)
            log_event("delivery failed", **named, attempt=delivery.attempts)
        else:
            step = lapses.begin_term_of(delivery)
            if step is None and not self.channel.repeats_show:
                self._sent.append(delivery)
            else:
                _note(lease_ends, outbox.mark_sent, delivery, step)
            log_event("delivered", **named)
        return failure


def _do(work: Callable[[], object]) -> None:
    """Run a job; if it fails, what is due already is sent all the same. Raises `Unavailable`."""
    try:
        work()
    except Unavailable:
        raise
    except Exception:
        log.exception("a job of the deliverer failed")


def _note(lease_ends: float, change: Callable[..., None], *values: object) -> None:
    """Note what became of a row, again and again while the database is away.

    Past the lease another deliverer may have the row, and what is not noted is sent again.
    """
    while True:
        try:
            return change(*values)
        except Unavailable:
            if time.monotonic() > lease_ends:
                raise
            time.sleep(LOOK_SECONDS)
