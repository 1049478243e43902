"""`python -m webapp.server`, what bin/run starts: prepare everything, then serve with Granian.

This process is the parent: it migrates the database and makes the secret key and the first
organizer, then supervises the workers, which answer the requests, and one deliverer.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from webapp.config import Settings, SettingsError, load_settings
from webapp.deliverer import Keeper, end_with_parent
from webapp.startup import StartError, make_files, prepare

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")

START_SECONDS = 30.0
# Every request is over within about this time, so a worker that still runs then hangs.
STOP_SECONDS = 10
# A worker that dies right after its start is started again, but not in a busy loop.
RESPAWN_PAUSE_SECONDS = 0.5
HEADER_READ_MILLISECONDS = 15_000
CONNECTIONS_PER_WORKER = 1024
# A body up to this size is in the server's hands before it is read.
SMALL_BODY = 64 * 1024
LARGEST_DRAINED_BODY = 64 * 1024 * 1024


def main() -> int:
    """Prepare and serve; the exit status is 2 for a wrong setting and 1 for another obstacle."""
    # Until Granian has handlers of its own, Ctrl-C and a stop end the preparation quietly.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = load_settings()
        with reserved_port(settings):
            settings = make_files(settings)
            password = prepare(settings)
            return serve(settings, password)
    except SettingsError as error:
        return _refuse(error, status=2)
    except StartError as error:
        return _refuse(error, status=1)
    except KeyboardInterrupt:
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _refuse(error: Exception, *, status: int) -> int:
    print(f"nextup: {error}", file=sys.stderr)
    return status


@contextlib.contextmanager
def reserved_port(settings: Settings) -> Iterator[None]:
    """Keep the port for us, or raise StartError.

    Granian's workers share a port, and so would two servers, without a word.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        with socket.socket(family, kind, protocol) as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(address)
            yield
    except socket.gaierror:
        raise SettingsError(f"HOST: {settings.host!r} is not an address of this machine") from None
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror};"
            " choose another PORT, or stop what uses it"
        ) from None


def serve(settings: Settings, password: str | None) -> int:
    """Serve until told to stop; the exit status."""
    server = Supervisor(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MILLISECONDS),
        websockets=False,
        # One thread of the server's own is enough to feed Python's, and wakes fewer of them.
        runtime_mode=RuntimeModes.st,
        workers=settings.workers,
        blocking_threads=settings.threads,
        backpressure=CONNECTIONS_PER_WORKER,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.error,
        # Its lines go where all others go.
        log_dictconfig={"handlers": {}, "loggers": {"_granian": {"propagate": True}}},
    )
    server.announcement = f"Nextup is ready: {settings.base_url}  (Ctrl-C stops it)"
    if password:
        server.announcement += (
            f"\nLog in at {settings.base_url}/login as organizer with the password {password}"
            "\nThis password is shown only now: keep it."
        )
    try:
        server.serve(target_loader=load_application, wrap_loader=False)
    except SystemExit as stop:
        return 0 if server.interrupt_signal else int(stop.code or 0)
    finally:
        server.keeper.stop()
    return 0


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
        self.keeper = Keeper()

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

    return with_whole_bodies(app)


def with_whole_bodies(app: "WSGIApplication") -> "WSGIApplication":
    """Have `app` use a body only if all of it came, and read what it leaves of a large one.

    What is left unread makes Granian close the connection, and a client that is still sending sees
    that in place of the refusal.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ:
            # It promises Werkzeug an end at the right place, which Granian makes where a client
            # went away. Without it Werkzeug counts, and has no need to look for more.
            environ.pop("wsgi.input_terminated", None)
        chunks = app(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > SMALL_BODY or "HTTP_TRANSFER_ENCODING" in environ:
            left = LARGEST_DRAINED_BODY
            while left > 0 and (chunk := environ["wsgi.input"].read(SMALL_BODY)):
                left -= len(chunk)
        return chunks

    return answer


if __name__ == "__main__":
    sys.exit(main())
