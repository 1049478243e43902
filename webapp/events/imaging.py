"""Pictures as strangers send them, made into ones that are safe to keep and quick to show."""

import contextlib
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Condition
from typing import IO

from webapp.errors import InvalidInput, Problem, Unavailable

FIELD = "picture"
LARGEST_FILE_MB = 12
LARGEST_FILE = LARGEST_FILE_MB * 1024 * 1024
# A few kilobytes can unfold into gigabytes: the size is read from the header, before the rest. A
# JPEG is made smaller while it is decoded, a WebP is there four times meanwhile.
MEGAPIXELS = {"JPEG": 50, "PNG": 50, "GIF": 50, "WEBP": 24}
# The large one fits into this square whole, the small one fills its frame.
LARGE = (1200, 1200)
SMALL = (240, 160)
QUALITY = 80

# What one picture may cost; on a busy machine it takes a while to get its processor seconds.
CPU_SECONDS = 5
SECONDS = 20.0
PATIENCE_SECONDS = 3.0
MEMORY = 512 * 1024 * 1024
# So many at a time in each worker, and of each organizer one: nobody's hold up all others'.
MOST_AT_ONCE = 2
LONGEST_LINE = 200

DECODER = Path(__file__).with_name("decoder.py")
log = logging.getLogger(__name__)

_turns = Condition()
_at_work: set[int | None] = set()


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """A picture as it is kept, in WebP. The name tells its content and the large one's size."""

    name: str
    large: bytes
    small: bytes


def process_image(data: bytes, *, account_id: int | None) -> ProcessedImage:
    """Decode a picture and encode it anew: upright, in two sizes, with nothing but its pixels.

    This is done by a process of its own, decoder.py, with limits of time and memory.
    Raises `InvalidInput` (picture) for what is too large, too costly or no picture, and
    `Unavailable` (picture) when others, or the account itself, have theirs read, or nothing is
    done in time.
    """
    if len(data) > LARGEST_FILE:
        size = -(-len(data) // (1024 * 1024))
        raise InvalidInput({FIELD: Problem("file_too_large", size=size, limit=LARGEST_FILE_MB)})
    with _turn_of(account_id):
        try:
            with TemporaryFile() as given, TemporaryFile() as made:
                given.write(data)
                given.seek(0)
                return _made(made, _decode(given, made))
        except OSError as error:
            # No process or no room for the file is to be had.
            log.error("no picture can be read: %s", error)
            raise _busy() from error


@contextlib.contextmanager
def _turn_of(account_id: int | None) -> Iterator[None]:
    """One of the places in which pictures are decoded."""
    with _turns:
        if not _turns.wait_for(
            lambda: len(_at_work) < MOST_AT_ONCE and account_id not in _at_work, PATIENCE_SECONDS
        ):
            raise _busy()
        _at_work.add(account_id)
    try:
        yield
    finally:
        with _turns:
            _at_work.remove(account_id)
            _turns.notify_all()


def _busy() -> Unavailable:
    return Unavailable("pictures", problems={FIELD: Problem("pictures_busy")})


def _decode(given: IO[bytes], made: IO[bytes]) -> int:
    """Run the decoder to its end, or end it when its time is over; its exit status."""
    task = {
        "parent": os.getpid(),
        "seconds": CPU_SECONDS,
        "memory": MEMORY,
        "megapixels": MEGAPIXELS,
        "large": LARGE,
        "small": SMALL,
        "quality": QUALITY,
    }
    # It needs none of our secrets. Where Python itself finds its libraries it has to be told.
    environ = {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", str(DECODER), json.dumps(task)],
        stdin=given,
        stdout=made,
        stderr=subprocess.DEVNULL,
        env=environ,
        # Ctrl-C at a terminal is not for it.
        process_group=0,
    )
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        # It has not used up its processor time: the machine has other things to do.
        raise _busy() from None
    finally:
        process.kill()
        process.wait()


def _made(made: IO[bytes], status: int) -> ProcessedImage:
    """What the decoder has written, believed only as far as it can be checked."""
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        raise InvalidInput({FIELD: Problem("picture_too_demanding")})
    made.seek(0)
    try:
        told = json.loads(made.readline(LONGEST_LINE))
        if "problem" in told:
            raise InvalidInput({FIELD: _problem(told["problem"], int(told["limit"]))})
        large, small = (made.read(int(told[name])) for name in ("large", "small"))
        width, height = (int(told[name]) for name in ("width", "height"))
        whole = not made.read(1) and all(kept[8:12] == b"WEBP" for kept in (large, small))
        if status or not whole or not (0 < width <= LARGE[0] and 0 < height <= LARGE[1]):
            raise ValueError("not what a decoder writes")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        log.warning("a picture broke its decoder: exit status %s, %r", status, error)
        raise InvalidInput({FIELD: Problem("no_picture")}) from error
    return ProcessedImage(
        f"{hashlib.sha256(large).hexdigest()[:24]}-{width}x{height}", large, small
    )


def _problem(code: str, limit: int) -> Problem:
    match code:
        case "no_picture":
            return Problem("no_picture")
        case "too_many_pixels":
            return Problem("too_many_pixels", limit=limit)
        case "picture_too_demanding":
            return Problem("picture_too_demanding")
    raise ValueError("not what a decoder writes")
