"""`python -m webapp.server`, what bin/run starts: prepare everything, then serve with Granian.

This process is the parent: it migrates the database and makes the secret key and the first
organizer, then supervises the workers, which answer the requests, and one deliverer.
"""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels

from webapp.config import Settings, SettingsError, lacks_base_url, load_settings
from webapp.server.connections import connections_allowed
from webapp.server.granian import Supervisor, load_application
from webapp.server.startup import FirstOrganizer, StartError, make_files, prepare
from webapp.web.bodies import threads_needed

# Every request is over within about this time, so a worker that still runs then hangs.
STOP_SECONDS = 10
HEADER_READ_MILLISECONDS = 15_000
LARGEST_HEAD = 64 * 1024


def main() -> int:
    """Prepare and serve; the exit status is 2 for a wrong setting and 1 for another obstacle."""
    # What is written is for nobody else on the machine.
    os.umask(0o077)
    # Until Granian has handlers of its own, Ctrl-C and a stop end the preparation quietly.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = load_settings()
        with reserved_port(settings):
            settings = make_files(settings)
            return serve(settings, prepare(settings))
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


def serve(settings: Settings, organizer: FirstOrganizer) -> int:
    """Serve until told to stop; the exit status."""
    server = Supervisor(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_READ_MILLISECONDS, max_buffer_size=LARGEST_HEAD
        ),
        websockets=False,
        # One thread of the server's own is enough to feed Python's, and wakes fewer of them.
        runtime_mode=RuntimeModes.st,
        workers=settings.workers,
        blocking_threads=threads_needed(settings.threads),
        backpressure=connections_allowed(),
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.error,
        # Its lines go where all others go.
        log_dictconfig={"handlers": {}, "loggers": {"_granian": {"propagate": True}}},
    )
    server.announcement = f"Nextup is ready: {settings.base_url}  (Ctrl-C stops it)"
    if lacks_base_url(settings):
        server.announcement += (
            f"\nIt listens to other machines, but links lead to {settings.base_url}:"
            " set BASE_URL to the address that visitors use."
        )
    server.announcement += f"\nLog in at {settings.base_url}/login as {organizer.username}"
    if organizer.password:
        server.announcement += (
            f" with the password {organizer.password}"
            "\nThis password is shown only now: keep it, or change it in your settings."
        )
    try:
        server.serve(target_loader=load_application, wrap_loader=False)
    except SystemExit as stop:
        return 0 if server.interrupt_signal else int(stop.code or 0)
    finally:
        server.keeper.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
