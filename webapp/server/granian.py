"""What is about Granian: its worker processes, and what its WSGI does not do by itself."""

import contextlib
import gc
import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from granian.server.mp import MPServer

from webapp.server.connections import Watcher
from webapp.server.deliverer import DelivererSupervisor, end_with_parent
from webapp.web.fast_flask import FastResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

T = TypeVar("T")

START_SECONDS = 30.0
# A worker that dies right after its start is started again, but not in a busy loop.
RESPAWN_PAUSE_SECONDS = 0.5


class PinnedServer(MPServer):
    """Granian's server of worker processes, each kept on one processor.

    Only one thread of a process runs Python at a time. To hand that right over to a thread on
    another processor costs more than to wait for one's own: docs/performance.md has the figures.
    """

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:  # type: ignore[override]
        pinned = partial(load_pinned, idx + self.bind_port, callback_loader)
        return super()._spawn_worker(idx, target, pinned)


def load_pinned(number: int, load: Callable[[], T]) -> T:
    """Stay on one of the processors that this process may use, and load the application to stay.

    Workers have consecutive numbers, and servers on the same machine begin at different ones.
    """
    # Not every system can do it, or lets us; then the worker goes where it likes.
    with contextlib.suppress(AttributeError, OSError):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {usable[number % len(usable)]})
    application = load()
    # What has been loaded stays. A full collection of garbage that looked through all of it again
    # would hold up every request of the worker for most of a tenth of a second.
    gc.collect()
    gc.freeze()
    return application


class Supervisor(PinnedServer):
    """The server with the ways of stopping and respawning that we need."""

    announcement = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keeper = DelivererSupervisor()

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        deadline = time.monotonic() + START_SECONDS
        while not self.interrupt_signal and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection((_loopback(self.bind_addr), self.bind_port), 1).close()
                print(self.announcement, flush=True)
                self.keeper.start()
                return
            time.sleep(0.02)

    def _respawn_workers(
        self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        super()._respawn_workers(workers, spawn_target, target_loader, RESPAWN_PAUSE_SECONDS)
        # Granian ends the whole server when a worker dies twice within seconds.
        self.respawned_wrks.clear()
        if self.interrupt_signal:
            # A stop that came while Granian turned to the dead worker would be forgotten.
            self.main_loop_interrupt.set()

    def signal_handler_reload(self, *args: Any, **kwargs: Any) -> None:
        """The terminal is gone: stop, where Granian would go on with fresh workers."""
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]


def _loopback(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not to bind to


def load_application() -> "WSGIApplication":
    """What a worker calls first: leave the terminal's signals to the parent, then load."""
    parent = os.getppid()
    # Ctrl-C reaches the parent alone, which then stops each worker in order.
    os.setpgid(0, 0)
    end_with_parent(parent)
    from wsgi import app

    app.response_class = SingleChunkResponse
    Watcher(app.extensions["settings"].port).start()
    return app


class SingleChunkResponse(FastResponse):
    """A response whose body is handed over as a list where it is all there.

    Granian sends a list at once, and anything else bit by bit, waking its own threads for each.
    """

    def get_app_iter(self, environ: "WSGIEnvironment") -> Iterable[bytes]:
        if not self.is_sequence:
            return super().get_app_iter(environ)
        try:
            is_sent = environ["REQUEST_METHOD"] != "HEAD" and self.has_body
            return [b"".join(self.iter_encoded()) if is_sent else b""]
        finally:
            self.close()
