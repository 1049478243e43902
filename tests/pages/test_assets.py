"""The copies that the server keeps of what browsers need of others."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from webapp.web.third_party import ASSETS, FOLDER, HTMX, QR_READER, QR_READER_WASM, Asset

PATH = f"/assets/{HTMX.name}"
CONTENT = b"what htmx is here"
DIGEST = base64.b64encode(hashlib.sha384(CONTENT).digest()).decode()
MADE = Asset(HTMX.name, HTMX.url, f"sha384-{DIGEST}")


@pytest.fixture
def copy(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy in the instance folder, of what htmx is for this test."""
    monkeypatch.setitem(ASSETS, HTMX.name, MADE)
    folder = Path(app.extensions["settings"].instance_path) / FOLDER
    folder.mkdir(parents=True)
    (folder / HTMX.name).write_bytes(CONTENT)
    return folder / HTMX.name


def test_copy_is_served_with_its_type_and_may_be_kept(app: Flask, copy: Path) -> None:
    client = app.test_client()
    answer = client.get(f"{PATH}?v={MADE.version}")
    assert answer.data == CONTENT
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers
    assert f"{PATH}?v={HTMX.version}" in client.get("/").text
    plain = client.get(PATH)
    assert plain.headers["Cache-Control"] == "public, max-age=3600"
    known = client.get(PATH, headers={"If-None-Match": plain.headers["ETag"]})
    assert known.status_code == 304


def test_what_is_not_there_or_not_right_is_not_served(app: Flask, copy: Path) -> None:
    client = app.test_client()
    assert client.get(PATH).status_code == 200
    copy.write_bytes(CONTENT[:-1])
    assert client.get(PATH).status_code == 404
    copy.unlink()
    missing = client.get(PATH)
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")
    copy.write_bytes(CONTENT)
    assert client.get(PATH).status_code == 200


def test_nothing_else_is_served_from_there(app: Flask, copy: Path) -> None:
    (copy.parent / "other.js").write_text("not on the list")
    client = app.test_client()
    for name in ("other.js", "..%2Fsecret_key", "../secret_key", "."):
        assert client.get(f"/assets/{name}").status_code == 404
    assert set(ASSETS) == {HTMX.name, QR_READER.name, QR_READER_WASM.name}


def test_pages_use_our_copy_alone_where_it_is_set_so(make_app: Callable[..., Flask]) -> None:
    page = make_app(own=True, HTMX_URL="local").test_client().get("/")
    assert HTMX.url not in page.text
    assert PATH in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]


def test_pages_name_the_cdn_otherwise(app: Flask) -> None:
    page = app.test_client().get("/")
    assert f'data-cdn="{HTMX.url}"' in page.text
    assert f"script-src 'self' {HTMX.url};" in page.headers["Content-Security-Policy"]
