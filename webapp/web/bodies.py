"""Bodies of requests: each is read whole before the application sees the request.

The server hands a request to a thread before its body is there, and a read waits until it is,
whoever sends it. So a server has threads to spare for that, and each client may hold few of them.
"""

import logging
import time
from collections.abc import Iterable
from io import BytesIO
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

# No form of ours is near it but the one for pictures, whose view reads it and has its own limit.
LARGEST_BODY = 256 * 1024
CHUNK = 64 * 1024
# A client that is still sending sees a refusal only once all of its body has been taken.
LARGEST_DRAINED = 64 * 1024 * 1024
# A body that takes longer is late. A read also waits for its turn to run, behind a whole school
# that books at once on a server that has just begun.
LATE_SECONDS = 3.0
TELL_SECONDS = 60.0


def threads_needed(threads: int) -> int:
    """How many a server needs so that so many are left when all who may wait for bodies do."""
    return 2 * threads + threads // 4


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
            if self._count >= self._most:
                return None
            begun = self._begun.setdefault(client, [])
            if len(begun) >= self._late and (
                2 * self._count >= self._most
                or len(begun) >= self._each
                or begun[self._late - 1] < now - LATE_SECONDS
            ):
                return None
            self._count += 1
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
    """WSGI middleware around `app`: at most `threads` wait for bodies, and few for each client."""

    def __init__(self, flask: Flask, app: "WSGIApplication", threads: int) -> None:
        self._flask, self._app = flask, app
        half, quarter, eighth, sixteenth = (max(1, threads // part) for part in (2, 4, 8, 16))
        # Those that have a good network stay for a moment, so many do at the same time.
        self._small = Readers(threads, each=half, late=eighth)
        # The view reads them, with what it holds meanwhile.
        self._large = Readers(quarter, each=sixteenth, late=sixteenth)
        self._tell_at = 0.0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            answer = self._fetch(environ, start_response)
            if answer is not None:
                return answer
        return self._app(environ, start_response)

    def _fetch(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes] | None:
        """Read the body into memory; an answer where it is not for the view, or not yet."""
        most = LARGEST_BODY + 1
        if "CONTENT_LENGTH" in environ:
            # It promises Werkzeug an end at the right place, which Granian makes where a client
            # went away. Without it Werkzeug counts, and so notices.
            environ.pop("wsgi.input_terminated", None)
            most = int(environ["CONTENT_LENGTH"] or 0)
            if most > LARGEST_BODY:
                return self._pass_on(environ, start_response)
            if not most:
                return None
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
        return None

    def _pass_on(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Let the view read a large body or refuse it, and take what it leaves."""
        client = client_at(environ["REMOTE_ADDR"])
        moment = self._large.begin(client)
        if moment is None:
            return self._refuse(client, environ, start_response)
        try:
            chunks = self._app(environ, start_response)
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
