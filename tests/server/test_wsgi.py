"""What the application hands to the server: bodies of answers in as few steps as can be."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Response, request, stream_with_context
from werkzeug.test import EnvironBuilder

from webapp.server.granian import SingleChunkResponse
from webapp.web.fast_flask import FastFlask


@pytest.fixture
def app() -> FastFlask:
    app = FastFlask(__name__)
    app.response_class = SingleChunkResponse

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


def ask(app: FastFlask, path: str, **options: Any) -> tuple[str, Any]:
    """The status of the answer, and its body as the server gets it."""
    statuses: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        statuses.append(status.partition(" ")[0])

    chunks = app(EnvironBuilder(path, **options).get_environ(), start)
    return statuses[0], chunks


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
