"""Bodies of requests: read in as few steps as can be, and those that are late hold up nobody."""

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import request
from werkzeug.test import EnvironBuilder

from tests.support.servers import wait_until
from webapp.errors import Unavailable
from webapp.web import bodies
from webapp.web.bodies import LARGEST_BODY, Readers, WholeBodies
from webapp.web.fast_flask import FastFlask

PATIENCE = 10.0
CHUNKED = {"Transfer-Encoding": "chunked"}


class Body(BytesIO):
    """What a client has sent; counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self.reads += 1
        return super().readinto(buffer)


class LateBody(Body):
    """A body that whoever reads it waits for, until the client sends it or goes away."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        assert self.over.wait(PATIENCE)
        return super(Body, self).read(size)


@pytest.fixture
def app() -> FastFlask:
    app = FastFlask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY)

    @app.post("/data")
    def data() -> str:
        return str(len(request.get_data()))

    @app.post("/form")
    def form() -> str:
        return request.form["name"]

    @app.post("/large")
    def large() -> str:
        request.max_content_length = 2 * LARGEST_BODY
        return str(len(request.get_data()))

    @app.get("/")
    def page() -> str:
        return "page"

    @app.errorhandler(Unavailable)
    def busy(_: Unavailable) -> tuple[str, int]:
        return "busy", 503

    return app


@pytest.fixture
def late() -> Iterator[Callable[[], LateBody]]:
    """Makes bodies that are late; those that still are at the end of the test end then."""
    made: list[LateBody] = []

    def make() -> LateBody:
        made.append(LateBody())
        return made[-1]

    yield make
    for body in made:
        body.over.set()


class Server:
    """As many threads as there are requests, of which so many may wait for bodies."""

    def __init__(self, app: FastFlask, threads: int = 64) -> None:
        self.whole = WholeBodies(app, app.wsgi_app, threads)

    def ask(
        self,
        path: str,
        body: Body | None = None,
        length: int | None = None,
        client: str = "192.0.2.1",
        **options: Any,
    ) -> tuple[str, str]:
        """The status of the answer, and its body."""
        base = {"REMOTE_ADDR": client}
        builder = EnvironBuilder(path, input_stream=body, environ_base=base, **options)
        environ = builder.get_environ() | {"wsgi.input_terminated": True}
        if length is None:
            environ.pop("CONTENT_LENGTH", None)
        else:
            environ["CONTENT_LENGTH"] = str(length)
        statuses: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            statuses.append(status.partition(" ")[0])

        answer = b"".join(self.whole(environ, start)).decode()
        return statuses[0], answer

    def send(self, body: Body, path: str = "/data", *, length: int = 9, **options: Any) -> "Sent":
        return Sent(lambda: self.ask(path, body, length, method="POST", **options))


class Sent(threading.Thread):
    """A request in a thread of its own."""

    def __init__(self, ask: Callable[[], tuple[str, str]]) -> None:
        super().__init__()
        self.ask, self.answer = ask, ("", "")
        self.start()

    def run(self) -> None:
        self.answer = self.ask()

    def end(self) -> tuple[str, str]:
        self.join(PATIENCE)
        return self.answer


def waited_for(body: LateBody) -> bool:
    return wait_until(lambda: body.reads > 0, timeout=PATIENCE)


@pytest.mark.parametrize("size", [1, 500, LARGEST_BODY])
def test_body_is_read_once(app: FastFlask, size: int) -> None:
    body = Body(b"x" * size)
    assert Server(app).ask("/data", body, size, method="POST") == ("200", str(size))
    assert body.reads == 1


def test_form_is_read_once(app: FastFlask) -> None:
    body = Body(b"name=Maja&more=1")
    kind = "application/x-www-form-urlencoded"
    asked = Server(app).ask("/form", body, 16, method="POST", content_type=kind)
    assert asked == ("200", "Maja")
    assert body.reads == 1


def test_nothing_behind_the_body_is_read(app: FastFlask) -> None:
    body = Body(b"name=Maja" + b"POST / HTTP/1.1")
    assert Server(app).ask("/data", body, 9, method="POST") == ("200", "9")
    assert body.tell() == 9


@pytest.mark.parametrize(("sent", "said"), [(4, 9), (0, 9), (4, LARGEST_BODY)])
def test_body_that_ends_too_early_is_not_used(app: FastFlask, sent: int, said: int) -> None:
    status, _ = Server(app).ask("/data", Body(b"x" * sent), said, method="POST")
    assert status == "400"


def test_large_body_is_left_to_the_view_and_what_it_leaves_is_taken(app: FastFlask) -> None:
    size = LARGEST_BODY + 1
    body = Body(b"x" * size)
    assert Server(app).ask("/large", body, size, method="POST") == ("200", str(size))
    assert body.reads > 1
    body = Body(b"x" * size)
    assert Server(app).ask("/data", body, size, method="POST")[0] == "413"
    assert body.tell() == size


def test_body_without_a_length_is_read_to_its_end(app: FastFlask) -> None:
    for size, answer in ((70, "200"), (LARGEST_BODY + 1, "413"), (3 * LARGEST_BODY, "413")):
        for path in ("/data", "/large"):
            body = Body(b"x" * size)
            asked = Server(app).ask(path, body, method="POST", headers=CHUNKED)
            assert asked[0] == answer
            assert body.tell() == size


def test_bodies_that_are_late_hold_few_threads_for_each_client(
    app: FastFlask, late: Callable[[], LateBody]
) -> None:
    server = Server(app, threads=16)
    waiting = [late() for _ in range(8)]
    sent = [server.send(body, length=6) for body in waiting]
    assert all(map(waited_for, waiting))
    assert server.ask("/") == ("200", "page")
    assert server.send(Body(b"x" * 9), client="192.0.2.2").end() == ("200", "9")
    # Another one of the same client is refused unread, whichever address of its network it has.
    one_more = Body(b"x" * 9)
    assert server.send(one_more).end() == ("503", "busy")
    assert one_more.reads == 0
    # One that hangs up makes room, and so does one that is there at last.
    waiting[0].over.set()
    assert sent[0].end()[0] == "400"
    assert server.send(Body(b"x" * 9)).end() == ("200", "9")


def test_many_clients_hold_no_more_than_the_threads_that_may_wait(
    app: FastFlask, late: Callable[[], LateBody]
) -> None:
    server = Server(app, threads=4)
    waiting = [late() for _ in range(4)]
    sent = [server.send(body, client=f"192.0.2.{n}") for n, body in enumerate(waiting)]
    assert all(map(waited_for, waiting))
    assert server.send(Body(b"x" * 9), client="198.51.100.1").end() == ("503", "busy")
    assert server.ask("/") == ("200", "page")
    for body in waiting:
        body.over.set()
    assert [each.end()[0] for each in sent] == ["400"] * len(waiting)
    assert server.send(Body(b"x" * 9), client="198.51.100.1").end() == ("200", "9")


def test_few_large_bodies_come_at_a_time(app: FastFlask, late: Callable[[], LateBody]) -> None:
    server = Server(app, threads=4)
    upload = late()
    sent = server.send(upload, "/large", length=LARGEST_BODY + 1)
    assert waited_for(upload)
    assert server.send(late(), "/large", length=LARGEST_BODY + 1).end() == ("503", "busy")
    assert server.send(Body(b"x" * 9)).end() == ("200", "9")
    upload.over.set()
    assert sent.end()[0] == "400"


def test_client_has_fewer_once_they_are_late(monkeypatch: pytest.MonkeyPatch) -> None:
    readers = Readers(100, each=8, late=2)
    begun = [readers.begin("a") for _ in range(8)]
    assert None not in begun
    assert readers.begin("a") is None
    readers.end("a", begun.pop() or 0.0)
    monkeypatch.setattr(bodies, "LATE_SECONDS", 0.0)
    assert readers.begin("a") is None
    assert readers.begin("b") is not None


def test_client_has_fewer_once_half_are_taken() -> None:
    readers = Readers(10, each=8, late=2)
    assert None not in [readers.begin("a") for _ in range(5)]
    assert readers.begin("a") is None
    assert None not in [readers.begin("b"), readers.begin("b")]
    assert readers.begin("b") is None
    assert None not in [readers.begin(client) for client in "cde"]
    assert readers.begin("f") is None


def test_who_waits_no_more_is_forgotten() -> None:
    readers = Readers(10, each=8, late=2)
    for number in range(100):
        client = str(number)
        moments = [readers.begin(client), readers.begin(client)]
        for moment in moments:
            assert moment is not None
            readers.end(client, moment)
    assert readers.clients == 0
    assert None not in [readers.begin(str(number)) for number in range(10)]
