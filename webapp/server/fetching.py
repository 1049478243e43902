"""Fetches once what browsers need of others, so that it is here when its own address is silent."""

import logging
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread

from webapp.config import Settings
from webapp.logs import log_event
from webapp.web.third_party import ASSETS, LARGEST_BYTES, Asset, folder_of, read_copy

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 6 * 60 * 60.0
# For an answer to go on, and for all of it.
SILENCE_SECONDS, LONGEST_SECONDS = 15.0, 120.0
PORTION = 64 * 1024


def fetch_in_background(settings: Settings) -> None:
    """Fetch what is missing, later and later while there is no net. Returns at once.

    What is under way when the process ends leaves nothing behind but a file of another name.
    """
    folder = folder_of(settings)
    Thread(target=fetch_all, args=(ASSETS.values(), folder), name="fetcher", daemon=True).start()


def fetch_all(
    assets: Iterable[Asset],
    folder: Path,
    *,
    first_pause: float = FIRST_PAUSE_SECONDS,
    stop: Event | None = None,
) -> None:
    """Fetch files until all are in a folder, or `stop` is set; what is right there is left."""
    stop, pause = stop or Event(), first_pause
    missing = list(assets)
    while missing and not stop.is_set():
        missing = [asset for asset in missing if not _is_there_or_comes(asset, folder)]
        if missing:
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _is_there_or_comes(asset: Asset, folder: Path) -> bool:
    if read_copy(asset, folder) is not None:
        return True
    try:
        content = _download(asset.url)
        if not asset.is_made_of(content):
            raise ValueError("it has another hash")
        _write(folder / asset.name, content)
    except (OSError, HTTPException, ValueError) as problem:
        log_event("asset not fetched", asset=asset.name, problem=str(problem))
        return False
    except Exception:
        log.exception("%s cannot be fetched", asset.name)
        return False
    log_event("asset fetched", asset=asset.name, bytes=len(content))
    return True


def _download(url: str) -> bytes:
    """What is at an address. Raises `OSError`, `HTTPException`, `ValueError` if it is too much."""
    deadline = time.monotonic() + LONGEST_SECONDS
    content = bytearray()
    # The addresses are ours, and what comes from there is checked.
    with urllib.request.urlopen(url, timeout=SILENCE_SECONDS) as answer:  # noqa: S310
        while portion := answer.read1(PORTION):
            content += portion
            if len(content) > LARGEST_BYTES:
                raise ValueError("it is too large")
            if time.monotonic() > deadline:
                raise TimeoutError("it takes too long")
    return bytes(content)


def _write(path: Path, content: bytes) -> None:
    """Have a file appear with all that is in it, or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
