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
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from random import getrandbits
from typing import Any

from flask import Flask, request

from webapp.config import Settings

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


def log_event(what: str, **fields: object) -> None:
    """Log one thing that happened: `log_event("booking", event_id=10, position=7)`."""
    if _root.isEnabledFor(logging.INFO):
        # A record would tell of thread, process and caller, which nobody reads: 1 % of a booking.
        _output.write(lines_of(time.time(), logging.INFO, what, fields))


def begin_request(given: str) -> str:
    """Name the request that this thread answers now: as it is named already, if that is sane."""
    # Nobody has to be unable to guess it.
    name = given if sane_request_id(given) else f"{getrandbits(64):016x}"
    _request_id.set(name)
    return name


def request_id() -> str:
    """The id of the request that this thread answers; empty where there is none."""
    return _request_id.get()


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
    """Writes what is logged as a line of JSON to the file and a readable one to the console.

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
        """Write what a library tells; `emit` would hold a lock."""
        name, what = {"logger": record.name}, record.getMessage()
        self.write(lines_of(record.created, record.levelno, what, name, record.exc_info))
        return True

    def write(self, lines: tuple[str, str]) -> None:
        """Write a line to the file and one to the console, or leave both to whoever is writing."""
        self._entries.append(lines)
        # Looking again after the release finds the entry of one who came just too late to be taken.
        while self._entries and self._writing.acquire(len(self._entries) > WAITING_LINES):
            try:
                self._write_all()
            finally:
                self._writing.release()

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


def lines_of(
    moment: float, level: int, what: str, fields: Mapping[str, object], exc_info: Any = None
) -> tuple[str, str]:
    """What is logged as JSON for the file, with the time in UTC, and in words for the console."""
    utc, local = clock_texts(int(moment))
    level_name = logging.getLevelName(level)
    line: dict[str, object] = {
        "time": f"{utc}.{int(moment % 1 * 1_000_000):06}Z",
        "level": level_name.lower(),
        "what": what,
    }
    words = [local, what] if level == logging.INFO else [local, level_name, what]
    words += [f"{key}={value}" for key, value in fields.items()]
    if name := request_id():
        line["request_id"] = name
        words.append(f"[{name}]")
    line.update(fields)
    console = visible(" ".join(words))
    if exc_info:
        # A database's error quotes the row.
        exception = email_address.sub("[address]", format_exception(exc_info))
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
