"""The log file, its rotation between processes, and the request id."""

import contextlib
import json
import logging
import multiprocessing
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.support.servers import wait_until
from webapp import logs
from webapp.config import Settings
from webapp.web.security import FixedHeaders

REFERENCE = "q7Jt0mQx-secret-reference"
ADDRESS = "anna@example.org"


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "nextup.log"


@pytest.fixture
def small_app(tmp_path: Path) -> Iterator[Flask]:
    app = Flask("small")
    app.extensions["settings"] = Settings.from_environ({}, instance_path=tmp_path)
    logs.init_app(app)
    app.wsgi_app = FixedHeaders(app.wsgi_app, secure=False)  # type: ignore[method-assign]

    @app.get("/book")
    def book() -> str:
        logs.log_event("booking", event_id=10, position=7)
        return "booked"

    @app.get("/bookings/<reference>")
    def fail(reference: str) -> str:
        raise RuntimeError(f"Duplicate entry '{ADDRESS}-10'")

    yield app
    logs._output.turn_to(logs.LogFile(Path("/dev/null")))


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_operation_is_one_json_line_and_one_readable_line(
    small_app: Flask, log_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small_app.test_client().get("/book", headers={"X-Request-ID": "abc.1"})
    (entry,) = entries(log_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry.pop("time"))
    assert entry == {
        "level": "info",
        "what": "booking",
        "request_id": "abc.1",
        "event_id": 10,
        "position": 7,
    }
    console = capfd.readouterr().err
    assert re.fullmatch(r"\d\d:\d\d:\d\d booking event_id=10 position=7 \[abc\.1\]\n", console)


def test_line_break_in_a_value_makes_no_second_line(
    small_app: Flask, log_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.log_event("event created", name="x\n00:00:00 login refused \ud800")
    assert len(entries(log_path)) == 1
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "hidden",
    ["\n", "\r", "\x1b[2K", "\x9b2K", "\x85", "\u2028", "\u202e", "\x00", "\U000e0001"],
    ids=ascii,
)
def test_value_acts_neither_on_a_terminal_nor_on_a_reader_of_lines(
    small_app: Flask, log_path: Path, capfd: pytest.CaptureFixture[str], hidden: str
) -> None:
    logs.log_event("event created", name=f"x{hidden}21:00:00 login refused")
    logging.getLogger("some.library").error(f"low on{hidden}paper")
    try:
        raise RuntimeError(f"x{hidden}21:00:00 login refused")
    except RuntimeError:
        logging.getLogger("some.library").exception("broken")
    file, console = log_path.read_text("utf-8"), capfd.readouterr().err
    for written in (file, console):
        assert all(char.isprintable() or char == "\n" for char in written)
        assert not re.search("(?m)^21:00:00", written)
    assert len(file.splitlines()) == 3
    [event, low, broken] = [json.loads(line) for line in file.splitlines()]
    assert event["name"] == f"x{hidden}21:00:00 login refused"
    assert low["what"] == f"low on{hidden}paper"
    assert f"x{hidden}21:00:00" in broken["exception"]


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 65, "a\tb", "é", "<script>", "a;b"])
def test_every_answer_has_a_request_id_of_ours_unless_a_sane_one_came(
    small_app: Flask, given: str | None
) -> None:
    client = small_app.test_client()
    headers = {} if given is None else {"X-Request-ID": given}
    made = [client.get(path, headers=headers).headers["X-Request-ID"] for path in ("/book", "/no")]
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in made)
    assert len(set(made)) == 2
    assert (
        client.get("/no", headers={"X-Request-ID": "a.B-c_9"}).headers["X-Request-ID"] == "a.B-c_9"
    )


def test_unhandled_error_is_logged_with_traceback_but_nothing_personal(
    small_app: Flask, log_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = small_app.test_client().get(f"/bookings/{REFERENCE}")
    assert answer.status_code == 500
    (entry,) = entries(log_path)
    assert entry["level"] == "error"
    assert entry["what"] == "Unhandled exception in fail"
    assert entry["request_id"] == answer.headers["X-Request-ID"]
    assert "RuntimeError" in entry["exception"]
    written = log_path.read_text() + capfd.readouterr().err
    assert REFERENCE not in written
    assert ADDRESS not in written


def test_libraries_log_into_the_same_file(small_app: Flask, log_path: Path) -> None:
    logging.getLogger("some.library").warning("low on %s", "paper")
    logging.getLogger("some.library").debug("not at this level")
    logging.getLogger("werkzeug").info("GET /bookings/%s", REFERENCE)
    (entry,) = entries(log_path)
    assert (entry["level"], entry["what"], entry["logger"]) == (
        "warning",
        "low on paper",
        "some.library",
    )


def test_log_level_is_kept(tmp_path: Path, log_path: Path) -> None:
    app = Flask("quiet")
    app.extensions["settings"] = Settings.from_environ(
        {"LOG_LEVEL": "ERROR"}, instance_path=tmp_path
    )
    logs.init_app(app)
    logs.log_event("booking", event_id=1)
    logging.getLogger("some.library").error("broken")
    assert [entry["what"] for entry in entries(log_path)] == ["broken"]


def test_log_that_cannot_be_written_fails_nothing(small_app: Flask, log_path: Path) -> None:
    log_path.parent.write_text("a file where the folder should be")
    assert small_app.test_client().get("/book").status_code == 200


def test_deleted_log_file_comes_back(log_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.0)
    file = logs.LogFile(log_path)
    file.write(b"one\n")
    log_path.unlink()
    file.write(b"two\n")
    file.close()
    assert log_path.read_text() == "two\n"


def test_threads_lose_and_mix_no_lines(small_app: Flask, log_path: Path) -> None:
    def work(number: int) -> None:
        for count in range(500):
            logs.log_event("booking", thread=number, count=count, filler="x" * 200)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [(entry["thread"], entry["count"]) for entry in entries(log_path)]
    assert sorted(seen) == [(number, count) for number in range(8) for count in range(500)]


def test_console_that_stands_still_holds_up_one_thread(
    small_app: Flask, log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, console = os.pipe()
    os.set_blocking(console, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(console, b"x" * 4096)
    os.set_blocking(console, True)
    monkeypatch.setattr(logs, "STDERR", console)
    library = logging.getLogger("some.library")

    def start(log: Callable[[str], None], what: str) -> threading.Thread:
        thread = threading.Thread(target=log, args=(what,), daemon=True)
        thread.start()
        return thread

    held_up = start(library.warning, "first")
    assert wait_until(lambda: log_path.exists() and bool(entries(log_path)), timeout=10)
    others = [start(logs.log_event, "second"), start(library.warning, "third")]
    for thread in others:
        thread.join(10)
    alive = [thread.is_alive() for thread in (held_up, *others)]
    # What waits for the console is told that it is gone.
    os.close(reader)
    for thread in (held_up, *others):
        thread.join()
    os.close(console)
    assert alive == [True, False, False]
    assert {entry["what"] for entry in entries(log_path)} == {"first", "second", "third"}


def test_rotation_between_processes_loses_no_line(
    log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(logs, "ROTATED_FILES", 100)
    writers, lines = 4, 500
    context = multiprocessing.get_context("fork")
    together = context.Barrier(writers)

    def write_numbered_lines(writer: int) -> None:
        file = logs.LogFile(log_path, rotate_bytes=2000)
        together.wait()
        for count in range(lines):
            file.write(f"{writer} {count} {'x' * 40}\n".encode())

    processes = [
        context.Process(target=write_numbered_lines, args=(writer,)) for writer in range(writers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * writers
    files = list(log_path.parent.iterdir())
    written = "".join(file.read_text() for file in files).splitlines()
    seen = [tuple(map(int, line.split()[:2])) for line in written]
    assert len(files) > 2
    assert sorted(seen) == [(writer, count) for writer in range(writers) for count in range(lines)]


def test_no_more_than_five_old_files_are_kept(
    log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.0)
    file = logs.LogFile(log_path, rotate_bytes=10)
    for count in range(20):
        file.write(f"a line {count:02}\n".encode())
    file.close()
    names = sorted(path.name for path in log_path.parent.iterdir())
    assert names == ["nextup.log", *(f"nextup.log.{number}" for number in range(1, 6))]
