"""The page at the door, and the files that keep it working without a network.

The files of static/door/ are served under one version, so that those which belong together are
taken together: by the page, and by the service worker that keeps them.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import cast

from flask import current_app, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from webapp.booking.commands import door
from webapp.config import ROOT, current_settings
from webapp.door.decide import Scan, What
from webapp.door.queries import door_figures, door_types
from webapp.door.services import Answer, scan
from webapp.pages.door import bp
from webapp.pages.door.scans import counted, types_shown
from webapp.pages.door.session import current_event, current_pass, door_csrf_token
from webapp.pages.door.texts import for_scripts, verdicts
from webapp.pages.forms import form_on
from webapp.web.compression import Content
from webapp.web.security import widen_policy
from webapp.web.static_files import IMMUTABLE
from webapp.web.third_party import QR_READER, QR_READER_WASM, Asset

FOLDER = ROOT / "static" / "door"
WORKER = "worker.js"
JAVASCRIPT = "text/javascript; charset=utf-8"
KINDS = {".js": JAVASCRIPT, ".css": "text/css; charset=utf-8"}
READERS = (QR_READER, QR_READER_WASM)
LONGEST_CODE = 100

is_id = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
is_number = re.compile(r"[1-9][0-9]{0,2}").fullmatch


@bp.get("")
def page() -> ResponseReturnValue:
    """What is scanned or typed here is let in once; the scripts do it without a new page."""
    return _show()


@bp.post("")
@form_on("door.page")
@counted
def scan_by_form() -> ResponseReturnValue:
    """What the page's scripts do otherwise: one scan, and its verdict on the page."""
    form = request.form
    position, count = form.get("position", ""), form.get("count", "")
    asked = Scan(
        _id_of(form),
        What.OUT if form.get("what") == "out" else What.IN,
        code=None if is_number(position) else form.get("code", "")[:LONGEST_CODE],
        position=int(position) if is_number(position) else None,
        count=int(count) if is_number(count) else 1,
    )
    return _show(scan(current_pass().event_id, [asked], actor=door(current_pass().id))[0])


def _id_of(form: Mapping[str, str]) -> str:
    """The same for the same form that is sent again; another one once another code is typed in."""
    if not is_id(form.get("id", "")):
        return str(uuid.uuid4())
    told = [form.get(name, "") for name in ("what", "code", "position", "count")]
    return str(uuid.uuid5(uuid.UUID(form["id"]), json.dumps(told)))


def _show(answer: Answer | None = None) -> ResponseReturnValue:
    is_local = current_settings().htmx_is_local
    widen_policy(
        {
            # The reader is WebAssembly; no other page of ours may run such.
            "script-src": ["'wasm-unsafe-eval'", *([] if is_local else [QR_READER.url])],
            "connect-src": [] if is_local else [QR_READER_WASM.url],
            "worker-src": ["'self'"],
        }
    )
    door_pass, event = current_pass(), current_event()
    data: dict[str, object] = {
        "event": event.id,
        "csrf": door_csrf_token(),
        "canSell": door_pass.may_sell,
        "paths": {
            "page": url_for("door.page"),
            "worker": url_for("door.worker"),
            "scans": url_for("door.send_scans"),
            "list": url_for("door.guest_list"),
            "figures": url_for("door.figures"),
            "search": url_for("door.search"),
            "walkIns": url_for("door.sell"),
        },
        "readers": {"script": _reader(QR_READER), "wasm": _reader(QR_READER_WASM)},
        "texts": for_scripts(),
    }
    if types := door_types(event):
        data["types"] = types_shown(types)
    page = render_template(
        "door/page.html",
        event=event,
        door_pass=door_pass,
        figures=door_figures(event.id)[0],
        version=_version(),
        data=data,
        answer=answer,
        verdicts=verdicts(),
        new_id=lambda: str(uuid.uuid4()),
        token=door_csrf_token(),
    )
    return make_response(page)


def _reader(asset: Asset) -> dict[str, str]:
    """Where the scripts find a part of the reader."""
    cdn = {} if current_settings().htmx_is_local else {"cdn": asset.url}
    return {**cdn, "copy": _copy_of(asset), "integrity": asset.integrity}


def _copy_of(asset: Asset) -> str:
    return url_for("assets.copy", name=asset.name, v=asset.version)


@bp.get("/worker.js")
def worker() -> ResponseReturnValue:
    """The service worker, made for the files of this version: browsers take a changed one anew."""
    static_path = cast(Callable[[str], str], current_app.jinja_env.globals["static_path"])
    paths = [url_for("door.file", version=_version(), name=name) for name in _files()]
    shell = {
        "version": _version(),
        "page": url_for("door.page"),
        "files": [*paths, static_path("nextup.css")],
        "readers": [address for one in READERS for address in (one.url, _copy_of(one))],
    }
    told = f"const SHELL = {json.dumps(shell)};\n".encode()
    response = Content(told + (FOLDER / WORKER).read_bytes(), JAVASCRIPT).answer("no-cache")
    response.headers["Service-Worker-Allowed"] = url_for("door.page")
    widen_policy({"connect-src": [one.url for one in READERS]})
    return response


@bp.get("/files/<version>/<name>")
def file(version: str, name: str) -> ResponseReturnValue:
    """A file of the page; another version than ours is not here any more."""
    content = _files().get(name)
    if content is None or version != _version():
        raise NotFound
    return content.answer(IMMUTABLE)


@cache
def _files() -> dict[str, Content]:
    """{name: the file}"""
    return {
        path.name: Content(path.read_bytes(), KINDS[path.suffix])
        for path in sorted(FOLDER.iterdir())
        if path.name != WORKER
    }


@cache
def _version() -> str:
    """Another one once there is something else in any of the files."""
    told = [f"{name} {content.version}" for name, content in _files().items()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
