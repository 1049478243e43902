"""Uploads to the real server, one of which is made to do harm, and a worker that dies meanwhile."""

import contextlib
import os
import re
import signal
from collections.abc import Callable
from threading import Thread

import httpx

from tests.pages.test_pictures import drawn, urls_on_text
from tests.server.test_server import BASIC, ORGANIZER, book, make_event
from tests.support.hostile_pictures import endless_jpeg
from tests.support.servers import AppServer, alive, children_of, wait_until

StartServer = Callable[..., AppServer]


def hidden_fields(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))


def log_in(client: httpx.Client, username: str, password: str) -> None:
    fields = hidden_fields(client.get("/login"))
    answer = client.post("/login", data={**fields, "username": username, "password": password})
    assert answer.status_code == 303


def send(client: httpx.Client, path: str, data: bytes) -> httpx.Response:
    fields = hidden_fields(client.get(path))
    return client.post(path, data=fields, files={"picture": ("x.jpg", data)})


def test_worker_that_dies_over_a_picture_takes_its_decoder_along(
    start_server: StartServer,
) -> None:
    server = start_server(**ORGANIZER)
    event_id = make_event(server)
    path = f"/organizer/events/{event_id}/picture"
    with httpx.Client(base_url=server.url, timeout=30) as client:
        log_in(client, *BASIC)
        assert send(client, path, drawn((4000, 3000), "JPEG")).status_code == 303
        shown = urls_on_text(client.get(path).text)
        [worker] = server.worker_pids()

        def upload() -> None:
            with contextlib.suppress(httpx.TransportError):
                send(client, path, endless_jpeg())

        uploading = Thread(target=upload)
        uploading.start()
        assert wait_until(lambda: len(children_of(worker)) == 1, timeout=30)
        [decoder] = children_of(worker)
        # It is at work on another processor, so this one books.
        assert book(server, event_id, 1).status_code == 201
        os.kill(worker, signal.SIGKILL)
        uploading.join()
        assert wait_until(lambda: not alive(decoder), timeout=5)
        assert wait_until(server.ready, timeout=20)
        assert urls_on_text(client.get(path).text) == shown
        assert client.get(shown[0]).status_code == 200
