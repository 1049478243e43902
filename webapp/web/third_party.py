"""What browsers need that others have made: where it is, and what it has to be.

The server keeps a copy of each in `instance/assets/`, for the time when its own address is silent.
"""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

from webapp.config import Settings
from webapp.extensions import PerApp

FOLDER = "assets"
LARGEST_BYTES = 8 * 1024 * 1024


class Asset(NamedTuple):
    """A file of others: its name here, its address, and its hash as browsers check it."""

    name: str
    url: str
    integrity: str
    content_type: str = "text/javascript; charset=utf-8"

    @property
    def version(self) -> str:
        """Enough of the hash to tell this file from others of its name."""
        return hashlib.sha256(self.integrity.encode()).hexdigest()[:12]

    def is_made_of(self, content: bytes) -> bool:
        """Whether this is the file, by its hash."""
        algorithm, _, digest = self.integrity.partition("-")
        return hashlib.new(algorithm, content).digest() == base64.b64decode(digest)


HTMX = Asset(
    "htmx.min.js",
    "https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/htmx.min.js",
    "sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
)
# Reads QR codes where a browser cannot itself: https://github.com/Sec-ant/barcode-detector
QR_READER = Asset(
    "ponyfill.js",
    "https://cdn.jsdelivr.net/npm/barcode-detector@3.2.2/dist/iife/ponyfill.js",
    "sha384-KJVUIUGb4pmfpWXfD8j3y9ARn6KoGC2vPC/wNUX1O1ZkYemh0BsuvsmdEU2+wS7O",
)
QR_READER_WASM = Asset(
    "zxing_reader.wasm",
    "https://cdn.jsdelivr.net/npm/zxing-wasm@3.1.3/dist/reader/zxing_reader.wasm",
    "sha384-4c0+K1LogSxdyQhn8Wj+klI42XXDXHni8PadrbzO2PIk64mtdMfOc1yqP69zw/k6",
    "application/wasm",
)
# {name: asset}
ASSETS = {asset.name: asset for asset in (HTMX, QR_READER, QR_READER_WASM)}


def folder_of(settings: Settings) -> Path:
    """Where the copies are."""
    return Path(settings.instance_path) / FOLDER


def read_copy(asset: Asset, folder: Path) -> bytes | None:
    """The copy of a file in a folder; none where it is not there, or is another file."""
    path = folder / asset.name
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    return content if asset.is_made_of(content) else None


def kept_copy(asset: Asset, folder: Path) -> bytes | None:
    """The same, read again only when something else is there than before."""
    try:
        found = (folder / asset.name).stat()
    except OSError:
        return None
    state = (str(folder), found.st_ino, found.st_size, found.st_mtime_ns)
    known = _copies.own.get(asset.name)
    if known is None or known[0] != state:
        known = _copies.own[asset.name] = (state, read_copy(asset, folder))
    return known[1]


# {name: (what was there, and what it held if it was right)}
_copies: PerApp[dict[str, tuple[tuple[str, int, int, int], bytes | None]]] = PerApp(dict)
