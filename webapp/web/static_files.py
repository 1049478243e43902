"""The files of static/, each at an address with a version: browsers may keep it for ever."""

import mimetypes
import posixpath
from functools import cache
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join
from werkzeug.utils import get_content_type

from webapp.web.compression import Content

IMMUTABLE = "public, max-age=31536000, immutable"


class StaticFiles:
    """Reads each file once: they do not change while we run."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._content = cache(self._read)

    def path(self, name: str) -> str:
        """The address of a file: another one once there is something else in the file."""
        return self._app.url_for("static", filename=name, v=self._content(name).version)

    def view(self, filename: str) -> Response:
        """The file, in place of Flask's own view; to be kept for ever where its version is asked.

        Raises `NotFound`.
        """
        # A roundabout way to it, such as css/../a.css, is the same file and no further one to keep.
        content = self._content(posixpath.normpath(filename))
        is_version = request.args.get("v") == content.version
        return content.answer(IMMUTABLE if is_version else "no-cache")

    def _read(self, name: str) -> Content:
        path = safe_join(self._app.static_folder or "", name)
        try:
            body = Path(path or "").read_bytes()
        except (OSError, ValueError):
            raise NotFound from None
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Content(body, get_content_type(kind, "utf-8"))
