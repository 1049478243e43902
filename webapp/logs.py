"""The operational log: JSON lines in LOG_FILE, readable lines on stderr, each with a request id.

A line says what happened to which event; references, ticket codes and e-mail addresses never
belong in it.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from random import getrandbits
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from webapp.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROTATE_BYTES = 20 * 1024 * 1024
ROTATED_FILES = 5
LOOK_SECONDS = 1.0
WAITING_LINES = 10_000
STDERR = 2

# What these say at INFO holds paths, and so references, or addresses of clients.
QUIET_LOGGERS = ("alembic", "flask-limiter", "werkzeug")

sane_request_id = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
email_address = re.compile(r"[^\s'\"<>(),;:=@]+@[^\s'\"<>(),;:=@]+")
encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode

format_exception = logging.Formatter().formatException

_root = logging.getLogger()
_events = logging.getLogger("nextup")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def init_app(app: Flask) -> None:
    """Send what the application and its libraries log where the settings say."""
    settings: Settings = app.extensions["settings"]
    _output.turn_to(LogFile(Path(settings.log_file)))
    _root.setLevel(settings.log_level)
    _root.addHandler(_output)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(_root.level, logging.WARNING))
    app.logger.addFilter(name_endpoint_for_path)
    app.wsgi_app = RequestId(app.wsgi_app)  # type: ignore[method-assign]


def log_event(what: str, **fields: object) -> None:
    """Log one thing that happened: `log_event("booking", event_id=10, position=7)`."""
    if _events.isEnabledFor(logging.INFO):
        # What `info` does but for the search for its caller, which takes as long as the rest.
        extra = {"fields": fields}
        record = _events.makeRecord(_events.name, logging.INFO, "", 0, what, (), None, extra=extra)
        _events.handle(record)


def request_id() -> str:
    """The id of the request that this thread answers; empty where there is none."""
    return _request_id.get()


class RequestId:
    """WSGI middleware: every answer carries X-Request-ID, also one that no view has made."""

    def __init__(self, app: "WSGIApplication") -> None:
        self.app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        name = environ.get("HTTP_X_REQUEST_ID", "")
        if not sane_request_id(name):
            # Nobody has to be unable to guess it.
            name = f"{getrandbits(64):016x}"
        _request_id.set(name)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            headers.append(("X-Request-ID", name))
            return start_response(status, headers, *rest)

        return self.app(environ, start)


class LogFile:
    """A file of lines that several processes append to and any of them rotates.

    One write in append mode holds whole lines, so lines never mix. Once a second at most, a
    process looks whether the name still leads to its open file. Whoever finds the file too large
    renames it under a lock; the others go on writing to the renamed file until their next look,
    so no line is lost and nobody has to be told.
    """

    def __init__(self, path: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.path = path
        self._rotate_bytes = rotate_bytes
        self._descriptor = -1
        self._next_look = 0.0

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises OSError."""
        if time.monotonic() >= self._next_look:
            self._look()
        os.write(self._descriptor, lines)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._next_look = 0.0

    def _look(self) -> None:
        if not self._is_current():
            self._open()
        if os.fstat(self._descriptor).st_size >= self._rotate_bytes:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                if self._is_current():
                    self._rename()
            finally:
                os.close(folder)
            self._open()
        self._next_look = time.monotonic() + LOOK_SECONDS

    def _is_current(self) -> bool:
        if self._descriptor < 0:
            return False
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        self.close()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _rename(self) -> None:
        for number in range(ROTATED_FILES - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.rename(self.path, f"{self.path}.1")


class Output(logging.Handler):
    """Writes each record as a line of JSON to the file and a readable one to the console.

    Threads that log at the same time share one write: each leaves its entry, and the one that
    writes takes what others have left meanwhile. So a line costs no switch between threads when
    it matters, and a console that stands still for a moment holds up one thread, not all.
    """

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file
        self._entries: deque[tuple[str, str]] = deque()
        self._writing = threading.Lock()
        # Another thread of the parent may have been writing at the moment of a fork.
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._writing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record, or leave it to the thread that is writing; `emit` would hold a lock."""
        self._entries.append(lines_of(record))
        # Looking again after the release finds the entry of one who came just too late to be taken.
        while self._entries and self._writing.acquire(len(self._entries) > WAITING_LINES):
            try:
                self._write_all()
            finally:
                self._writing.release()
        return True

    def turn_to(self, file: LogFile) -> None:
        """Write to another file from now on."""
        with self._writing:
            self._file.close()
            self._file = file

    def _write_all(self) -> None:
        taken = [self._entries.popleft() for _ in range(len(self._entries))]
        file_lines = "".join([entry[0] for entry in taken])
        console_lines = "".join([entry[1] for entry in taken])
        # A full disk or a closed console must not fail the booking that a line tells of.
        with contextlib.suppress(OSError):
            self._file.write(file_lines.encode("utf-8", "backslashreplace"))
        with contextlib.suppress(OSError):
            os.write(STDERR, console_lines.encode("utf-8", "backslashreplace"))


def lines_of(record: logging.LogRecord) -> tuple[str, str]:
    """A record as JSON for the file, with the time in UTC, and in words for the console."""
    what = record.getMessage()
    fields = getattr(record, "fields", {"logger": record.name})
    utc, local = clock_texts(int(record.created))
    line: dict[str, object] = {
        "time": f"{utc}.{int(record.created % 1 * 1_000_000):06}Z",
        "level": record.levelname.lower(),
        "what": what,
    }
    words = [local, what] if record.levelno == logging.INFO else [local, record.levelname, what]
    words += [f"{key}={value}" for key, value in fields.items()]
    if name := request_id():
        line["request_id"] = name
        words.append(f"[{name}]")
    line.update(fields)
    console = visible(" ".join(words))
    if record.exc_info:
        # A database's error quotes the row.
        exception = email_address.sub("[address]", format_exception(record.exc_info))
        line["exception"] = exception
        console += "".join(f"\n    {visible(each)}" for each in exception.split("\n"))
    return visible(encode_json(line)) + "\n", console + "\n"


def visible(text: str) -> str:
    """A text in which nothing breaks a line or acts on a terminal: it is escaped as JSON does."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


@lru_cache(maxsize=2)
def clock_texts(second: int) -> tuple[str, str]:
    """A second since the epoch as the file tells it, in UTC, and as the console does."""
    utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return utc, time.strftime("%H:%M:%S", time.localtime(second))


def name_endpoint_for_path(record: logging.LogRecord) -> bool:
    """Flask names the path of a failed request, which may hold a reference."""
    if isinstance(record.msg, str) and record.msg.startswith("Exception on "):
        record.msg, record.args = "Unhandled exception in %s", (request.endpoint,)
    return True


_output = Output(LogFile(Path(os.devnull)))
