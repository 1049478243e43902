"""Connections on which nothing moves are closed, and there may be many at a time.

The server bounds how long the head of a request may take, and nothing else: a body may be late for
ever, and an answer never be taken, also by a phone that has lost its network. A thread that reads
cannot be called off either. So each worker asks the kernel how its connections are.
"""

import contextlib
import os
import resource
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

# Every request that is there is answered within about ten seconds.
SILENT_SECONDS = 30.0
LOOK_SECONDS = 5.0
# An upload may take longer, as long as it comes so fast.
UPLOAD_BYTES_PER_SECOND = 8 * 1024

CONNECTIONS_PER_WORKER = 2048
# Files, and connections to the database.
OTHER_DESCRIPTORS = 256
DESCRIPTORS = "/proc/self/fd"

# Of Linux' struct tcp_info: milliseconds since data was sent, and bytes received so far.
TCP_INFO = struct.Struct("=44xI80xQ")


class Look(NamedTuple):
    """How many bytes a connection had brought at a moment."""

    moment: float
    received: int


class Watcher:
    """Closes connections to `port` on which nothing was sent for `SILENT_SECONDS`.

    Only an upload that comes fast enough keeps such a connection open.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        # {inode of the socket: the look from which on it is judged}
        self._looks: dict[int, Look] = {}

    def start(self) -> None:
        """Look every few seconds from now on, where the kernel tells about connections."""
        if hasattr(socket, "TCP_INFO") and os.path.isdir(DESCRIPTORS):
            threading.Thread(target=self._watch, name="connections", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with contextlib.suppress(OSError):
                self.look()

    def look(self) -> None:
        """Close those that are silent now. Raises OSError."""
        now, before, self._looks = time.monotonic(), self._looks, {}
        for name in os.listdir(DESCRIPTORS):
            # It may be closed meanwhile.
            with contextlib.suppress(OSError, struct.error):
                if stat.S_ISSOCK(os.stat(int(name)).st_mode):
                    # A copy stays the same one, whatever gets this number meanwhile.
                    with closing_copy(int(name)) as connection:
                        if connection.getsockname()[1:2] == (self._port,):
                            self._judge(connection, now, before)

    def _judge(self, connection: socket.socket, now: float, before: dict[int, Look]) -> None:
        connection.getpeername()
        inode = os.fstat(connection.fileno()).st_ino
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
        silent_milliseconds, received = TCP_INFO.unpack(info)
        look = before.get(inode, Look(now, received))
        if now - look.moment >= SILENT_SECONDS:
            enough = UPLOAD_BYTES_PER_SECOND * (now - look.moment)
            silent = silent_milliseconds >= 1000 * SILENT_SECONDS
            if silent and received - look.received < enough:
                connection.shutdown(socket.SHUT_RDWR)
                return
            look = Look(now, received)
        self._looks[inode] = look


@contextlib.contextmanager
def closing_copy(descriptor: int) -> Iterator[socket.socket]:
    """A socket of ours for the connection behind a descriptor. Raises OSError if it is none."""
    copy = os.dup(descriptor)
    try:
        connection = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with connection:
        yield connection


def connections_allowed() -> int:
    """How many connections a worker may hold; as many as the system lets us have are asked for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_PER_WORKER + OTHER_DESCRIPTORS
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(1, most - OTHER_DESCRIPTORS)
