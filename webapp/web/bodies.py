"""Bodies of requests: each is read whole before the application has its turn with the request.

The server hands a request to a thread before its body is there, and a read waits until it is. So
there are more threads than turns: a body that is late holds a thread that has nothing else to do,
and each client holds a few of those.
"""

import logging
import time
from collections.abc import Iterable
from io import BytesIO
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.config import Settings
from webapp.errors import Unavailable
from webapp.web.rate_limits import client_at

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

# Threads that wait for bodies, for each thread that has a turn.
READERS = 4
# No form of ours is near it but the one for pictures, whose view reads it and has its own limit.
LARGEST_BODY = 256 * 1024
CHUNK = 64 * 1024
# A client that is still sending sees a refusal only once all of its body has been taken.
LARGEST_DRAINED = 64 * 1024 * 1024
# A body that takes longer is late.
LATE_SECONDS = 1.0
TELL_SECONDS = 60.0


def threads_needed(turns: int) -> int:
    """How many threads a server needs that answers `turns` requests at the same time."""
    return turns + READERS * turns


class Readers:
    """Who waits for a body now: at most `most`, and `each` for one client.

    Once half of them are taken, or `late` of one client are late, a client may have no more than
    `late`.
    """

    def __init__(self, most: int, *, each: int, late: int) -> None:
        self._most, self._each, self._late = most, each, late
        self._lock = Lock()
        self._count = 0
        # {client: [when it began to wait]}, those that are there the longest first
        self._begun: dict[str, list[float]] = {}

    @property
    def clients(self) -> int:
        """How many clients are known now: those who wait."""
        return len(self._begun)

    def begin(self, client: str) -> float | None:
        """The moment by which `end` knows it; None where it is one too many."""
        now = time.monotonic()
        with self._lock:
            begun = self._begun.get(client, [])
            has_late = len(begun) >= self._late
            if has_late and (
                2 * self._count >= self._most
                or len(begun) >= self._each
                or begun[self._late - 1] < now - LATE_SECONDS
            ):
                return None
            if self._count >= self._most:
                return None
            self._count += 1
            self._begun[client] = begun
            begun.append(now)
        return now

    def end(self, client: str, moment: float) -> None:
        with self._lock:
            self._count -= 1
            begun = self._begun[client]
            begun.remove(moment)
            if not begun:
                del self._begun[client]


class WholeBodies:
    """WSGI middleware around `app`, which answers at most `turns` requests at the same time."""

    def __init__(self, flask: Flask, app: "WSGIApplication", turns: int) -> None:
        self._flask, self._app = flask, app
        few = max(1, turns // 4)
        self._small = Readers(READERS * turns, each=turns, late=few)
        # They have a turn while the view reads them.
        self._large = Readers(few, each=max(1, few // 4), late=max(1, few // 4))
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(turns):
            self._turns.put(None)
        self._tell_at = 0.0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ:
            # It promises Werkzeug an end at the right place, which Granian makes where a client
            # went away. Without it Werkzeug counts, and so notices.
            environ.pop("wsgi.input_terminated", None)
            length = int(environ["CONTENT_LENGTH"] or 0)
            if length > LARGEST_BODY:
                return self._pass_on(environ, start_response)
            if length:
                return self._keep(length, environ, start_response)
        elif "HTTP_TRANSFER_ENCODING" in environ:
            return self._keep(LARGEST_BODY + 1, environ, start_response)
        return self._in_turn(environ, start_response)

    def _in_turn(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        self._turns.get()
        try:
            return self._app(environ, start_response)
        finally:
            self._turns.put(None)

    def _keep(
        self, most: int, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Read up to `most` bytes, and go on with them."""
        client, stream = client_at(environ["REMOTE_ADDR"]), environ["wsgi.input"]
        moment = self._small.begin(client)
        if moment is None:
            return self._refuse(client, environ, start_response)
        try:
            body = stream.read(most)
            if len(body) > LARGEST_BODY:
                drain(stream)
        finally:
            self._small.end(client, moment)
        if len(body) > LARGEST_BODY:
            # It said no length, so the view would take what has been read for all of it.
            return self._answer(RequestEntityTooLarge(), environ, start_response)
        environ["wsgi.input"] = BytesIO(body)
        return self._in_turn(environ, start_response)

    def _pass_on(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Let the view read a large body or refuse it, and take what it leaves."""
        client = client_at(environ["REMOTE_ADDR"])
        moment = self._large.begin(client)
        if moment is None:
            return self._refuse(client, environ, start_response)
        try:
            chunks = self._in_turn(environ, start_response)
            drain(environ["wsgi.input"])
            return chunks
        finally:
            self._large.end(client, moment)

    def _refuse(
        self, client: str, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + TELL_SECONDS
            log.warning("requests are refused whose bodies do not come: client=%s", client)
        return self._answer(Unavailable(), environ, start_response)

    def _answer(
        self, error: Exception, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        with self._flask.request_context(environ):
            response = self._flask.make_response(self._flask.handle_user_exception(error))
            return response(environ, start_response)


def drain(stream: "InputStream") -> None:
    """Read what is left of a body."""
    left = LARGEST_DRAINED
    while left > 0 and (chunk := stream.read(CHUNK)):
        left -= len(chunk)


def init_app(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    app.wsgi_app = WholeBodies(app, app.wsgi_app, settings.threads)  # type: ignore[method-assign]
