"""What travels compressed: what stays the same, packed once, and pages that hold no secret.

The length of a compressed page tells whether what a stranger put into it stands there once more
(BREACH). So no page with a token or a reference is compressed.
"""

import gzip
import hashlib
from functools import lru_cache

from flask import Response, request

# Of a page made anew for each request: a seventh of the list's bytes for a thirtieth of its time.
PAGE_LEVEL = 1
LONGEST_HEADER = 200
TOKEN = b"csrf_token"


class Content:
    """Bytes that stay as they are while we run, also compressed where that makes them fewer."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._body = body
        self._content_type = content_type
        packed = gzip.compress(body, 9, mtime=0)
        self._packed = packed if len(packed) < 0.9 * len(body) else None
        self.version = hashlib.sha256(body).hexdigest()[:12]

    def answer(self, cache_control: str) -> Response:
        """The whole of it, or 304 to whoever has it; a range of it is never sent."""
        packed = self._packed if takes_gzip() else None
        tag = f"{self.version}-gzip" if packed else self.version
        is_known = request.if_none_match.contains_weak(tag)
        response = Response(packed or self._body, 304 if is_known else 200)
        response.content_type = self._content_type
        headers = [("ETag", f'"{tag}"'), ("Cache-Control", cache_control)]
        if self._packed:
            headers.append(("Vary", "Accept-Encoding"))
        if packed:
            headers.append(("Content-Encoding", "gzip"))
        response.headers.extend(headers)
        return response


def pack(response: Response) -> Response:
    """Compress a page for whoever takes it so, unless there is a form with a token on it."""
    response.vary.add("Accept-Encoding")
    body = response.get_data()
    if takes_gzip() and TOKEN not in body:
        response.set_data(gzip.compress(body, PAGE_LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def takes_gzip() -> bool:
    """Whether the client of this request reads what is compressed with gzip."""
    return _takes_gzip(request.environ.get("HTTP_ACCEPT_ENCODING", "")[:LONGEST_HEADER])


@lru_cache(maxsize=256)
def _takes_gzip(header: str) -> bool:
    for part in header.lower().split(","):
        coding, _, parameter = part.partition(";")
        if coding.strip() == "gzip":
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
