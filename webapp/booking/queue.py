"""Where requests wait to be merged: a shared queue for all events, and one for each event.

| the event | where a request goes |
|---|---|
| its own queue is running | to its own queue: it joins the next batch there |
| otherwise | to the shared queue, whose batch waits for no event's lock |
| left out there, because another writer holds the event | to the shared queue again, three times |
| still left out, or the shared batch failed | to its own queue, which waits for the lock |
| terms of its bookings are over | to its own queue, whose next batch has them lapse first |

So one transaction serves many events, and no event waits for another one's lock. Without the shared
queue, bookings over 50 events reached less than half of the rate.
"""

import time
from collections.abc import Sequence

from webapp.booking.batch import run_one_event, run_unlocked_events
from webapp.booking.commands import Outcome
from webapp.booking.decisions import Request
from webapp.errors import DomainError
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher

# Tries in the shared queue before a request waits for the row lock in its event's own queue.
SHARED_QUEUE_TRIES = 3


def submit(request: Request) -> Outcome:
    """Carry out a request in some batch; return once that batch is committed.

    Raises the domain error that refused it, or `Unavailable`.
    """
    event_id, queues, began = request.event_id, own_queues.own, time.monotonic()
    for _ in range(SHARED_QUEUE_TRIES):
        if queues.is_running(event_id):
            break
        try:
            outcome = shared_queue.own.submit(None, request, elapsed=time.monotonic() - began)
        except DomainError:
            raise
        except Exception:
            # One of the batch made it fail, and the event's own queue finds out which one; or terms
            # of the event are over.
            break
        if outcome is not None:
            return outcome
    return queues.submit(event_id, request, elapsed=time.monotonic() - began)


def _run_shared(_: None, requests: list[Request]) -> Sequence[Outcome | Exception | None]:
    return run_unlocked_events(requests)


own_queues: PerApp[Batcher[int, Request, Outcome]] = PerApp(lambda: Batcher(run_one_event))
shared_queue: PerApp[Batcher[None, Request, Outcome | None]] = PerApp(lambda: Batcher(_run_shared))
