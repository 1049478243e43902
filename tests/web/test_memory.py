"""What strangers make a process remember has an end: docs/security.md has the whole table."""

import gc
import itertools
import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.servers import wait_until
from webapp import logs
from webapp.web import language, rate_limits


def test_languages_that_strangers_make_up_take_little_memory(client: FlaskClient) -> None:
    def ask(number: int, length: int) -> None:
        wish = f"x{number}-{length * 'y'}"
        assert client.get("/login", headers={"Accept-Language": wish}).status_code == 200

    ask(0, 1)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(30):
            ask(number, 100_000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000


def test_no_more_is_remembered_than_fits() -> None:
    for number in range(10_000):
        rate_limits.client_at(f"2001:db8:{number:x}::1")
        rate_limits.client_at(f"{number}" * 100)
        language._asked_for(f"x{number}")
    assert rate_limits._network.cache_info().currsize <= 4096
    assert language._asked_for.cache_info().currsize <= 256


def test_lines_that_cannot_be_written_hold_up_who_writes_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "WAITING_LINES", 100)
    output = logs.Output(logs.LogFile(Path(os.devnull)))
    written = itertools.count()

    def write() -> None:
        for _ in range(200):
            output.write(("", ""))
            next(written)

    writer = threading.Thread(target=write)
    with output._writing:
        writer.start()
        assert wait_until(lambda: len(output._entries) > 100, timeout=10)
        writer.join(0.1)
        assert len(output._entries) == 101
    writer.join(10)
    assert (next(written), len(output._entries)) == (200, 0)
