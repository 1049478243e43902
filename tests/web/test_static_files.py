"""The files of static/, as they travel: by version, compressed, and asked for again."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from webapp.web.fast_flask import FastFlask
from webapp.web.static_files import IMMUTABLE, StaticFiles

WithSheet = Callable[[str], tuple[Flask, StaticFiles]]


@pytest.fixture
def with_sheet(tmp_path: Path) -> WithSheet:
    """Make an application whose style sheet has this text."""

    def make(text: str) -> tuple[Flask, StaticFiles]:
        folder = tmp_path / text
        folder.mkdir()
        (folder / "a.css").write_text(text)
        app = FastFlask("ours", static_folder=str(folder), static_url_path="/static")
        static = StaticFiles(app)
        app.view_functions["static"] = static.view
        return app, static

    return make


def test_static_file_is_the_one_of_the_application(with_sheet: WithSheet) -> None:
    first, second = with_sheet("first"), with_sheet("second")
    paths = []
    for app, static in (first, second, first):
        with app.test_request_context():
            paths.append(static.path("a.css"))
        answer = app.test_client().get(paths[-1])
        assert "immutable" in answer.headers["Cache-Control"]
    assert paths[0] == paths[2] != paths[1]


def test_static_file_is_found_below_every_mount(with_sheet: WithSheet) -> None:
    app, static = with_sheet("one")
    for mount in ("", "/tickets", "/other"):
        with app.test_request_context(base_url=f"http://localhost{mount}"):
            assert static.path("a.css").startswith(f"{mount}/static/a.css?v=")


def test_static_file_travels_compressed_to_who_takes_it_so(with_sheet: WithSheet) -> None:
    app, static = with_sheet("body { margin: 0 } " * 9)
    client = app.test_client()
    with app.test_request_context():
        path = static.path("a.css")
    plain = client.get(path)
    for takes, packs in (("gzip, br", True), ("br;q=1, GZIP;q=0.5", True), ("gzip;q=0", False)):
        headers = {"Accept-Encoding": takes}
        answer = client.get(path, headers=headers)
        assert (answer.headers.get("Content-Encoding") == "gzip") is packs
        assert (gzip.decompress(answer.data) if packs else answer.data) == plain.data
        assert (answer.headers["ETag"] != plain.headers["ETag"]) is packs
        again = client.get(path, headers={**headers, "If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        for name in ("Vary", "Cache-Control", "ETag"):
            assert again.headers[name] == answer.headers[name]
        assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == (
            "Accept-Encoding",
            IMMUTABLE,
        )


def test_range_of_a_static_file_is_the_whole_of_it(with_sheet: WithSheet) -> None:
    app, _ = with_sheet("sheet")
    for asked in ("bytes=0-1,3-4", "bytes=99-", "bytes=x"):
        answer = app.test_client().get("/static/a.css", headers={"Range": asked})
        assert (answer.status_code, answer.data) == (200, b"sheet")


@pytest.mark.parametrize("name", ["none.css", "../a.css", "%00.css", "x/../../a", "."])
def test_file_that_is_not_there_is_not_found(with_sheet: WithSheet, name: str) -> None:
    app, _ = with_sheet("sheet")
    assert app.test_client().get(f"/static/{name}").status_code == 404
