"""What passes between the server and the application: bodies in as few steps as can be."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Response, request, stream_with_context
from werkzeug.test import EnvironBuilder

from webapp import LARGEST_BODY
from webapp.server.granian import SMALL_BODY, SingleChunkResponse, with_whole_bodies
from webapp.web.fast_flask import FastFlask


class Body(BytesIO):
    """What a client has sent; counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self.reads += 1
        return super().readinto(buffer)


@pytest.fixture
def app() -> FastFlask:
    app = FastFlask(__name__)
    app.response_class = SingleChunkResponse
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY)

    @app.post("/data")
    def data() -> str:
        return str(len(request.get_data()))

    @app.post("/form")
    def form() -> str:
        return request.form["name"]

    @app.get("/stream")
    def stream() -> Response:
        def lines() -> Iterator[str]:
            yield from (f"{request.path}\n", "end\n")

        return Response(stream_with_context(lines()))

    @app.get("/kept")
    def kept() -> Response:
        response = Response("all of it")
        response.add_etag()
        response.make_conditional(request)
        return response

    return app


def ask(
    app: FastFlask, path: str, body: Body | None = None, length: int | None = None, **options: Any
) -> tuple[str, Any]:
    """The status of the answer, and its body as the server gets it."""
    builder = EnvironBuilder(path, input_stream=body, **options)
    environ = builder.get_environ() | {"wsgi.input_terminated": True}
    if length is None:
        environ.pop("CONTENT_LENGTH", None)
    else:
        environ["CONTENT_LENGTH"] = str(length)
    statuses: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        statuses.append(status.partition(" ")[0])

    chunks = with_whole_bodies(app)(environ, start)
    return statuses[0], chunks


@pytest.mark.parametrize("size", [1, 500, SMALL_BODY])
def test_small_body_is_read_once(app: FastFlask, size: int) -> None:
    body = Body(b"x" * size)
    assert ask(app, "/data", body, size, method="POST") == ("200", [str(size).encode()])
    assert body.reads == 1


def test_small_form_is_read_once(app: FastFlask) -> None:
    body = Body(b"name=Maja&more=1")
    kind = "application/x-www-form-urlencoded"
    asked = ask(app, "/form", body, 16, method="POST", content_type=kind)
    assert asked == ("200", [b"Maja"])
    assert body.reads == 1


def test_nothing_behind_the_body_is_read(app: FastFlask) -> None:
    body = Body(b"name=Maja" + b"POST / HTTP/1.1")
    assert ask(app, "/data", body, 9, method="POST") == ("200", [b"9"])
    assert body.tell() == 9


@pytest.mark.parametrize(("sent", "said"), [(4, 9), (0, 9), (4, LARGEST_BODY)])
def test_body_that_ends_too_early_is_not_used(app: FastFlask, sent: int, said: int) -> None:
    status, _ = ask(app, "/data", Body(b"x" * sent), said, method="POST")
    assert status == "400"


def test_larger_body_is_read_as_it_comes(app: FastFlask) -> None:
    body = Body(b"x" * (SMALL_BODY + 1))
    status, chunks = ask(app, "/data", body, SMALL_BODY + 1, method="POST")
    assert (status, chunks) == ("200", [str(SMALL_BODY + 1).encode()])
    assert body.reads > 1
    status, _ = ask(app, "/data", Body(), LARGEST_BODY + 1, method="POST")
    assert status == "413"


def test_body_without_a_length_is_read_to_its_end(app: FastFlask) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(app, "/data", Body(b"x" * 70), method="POST", headers=chunked) == ("200", [b"70"])


def test_stream_is_handed_over_bit_by_bit(app: FastFlask) -> None:
    status, chunks = ask(app, "/stream")
    assert status == "200"
    assert not isinstance(chunks, list)
    assert list(chunks) == [b"/stream\n", b"end\n"]


def test_what_is_called_at_the_end_is_called(app: FastFlask) -> None:
    ended: list[bool] = []

    @app.after_request
    def note(response: Response) -> Response:
        response.call_on_close(lambda: ended.append(True))
        return response

    assert ask(app, "/kept") == ("200", [b"all of it"])
    assert ended == [True]


def test_nothing_is_sent_where_nothing_may_be(app: FastFlask) -> None:
    status, chunks = ask(app, "/kept", method="HEAD")
    assert (status, b"".join(chunks)) == ("200", b"")
    with app.test_client() as client:
        tag = client.get("/kept").headers["ETag"]
    status, chunks = ask(app, "/kept", headers={"If-None-Match": tag})
    assert (status, b"".join(chunks)) == ("304", b"")
