"""Files that appear complete or not at all, and that nobody else on the machine can read."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PART = ".part"
# What SQLite may leave beside a file that it was writing.
COMPANIONS = ("-journal", "-wal", "-shm")


class OperationError(Exception):
    """A backup or a restore was refused or has failed; the message is one line."""


@contextlib.contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """An empty file beside `path` that only this process writes; `publish` gives it its name.

    It is gone after the block, and what a killed process has left of it before.
    Raises `OperationError`, also while another process writes it.
    """
    part = path.with_name(path.name + PART)
    try:
        descriptor = _locked(part)
    except BlockingIOError:
        raise OperationError(f"{path} is being written by another process") from None
    except OSError as error:
        raise OperationError(f"cannot write {path}: {error.strerror}") from None
    try:
        _remove_companions(part)
        os.ftruncate(descriptor, 0)
        yield part
    except OSError as error:
        raise OperationError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        # Only while it is ours: under that name there may be somebody else's by now.
        if _is_at(descriptor, part):
            part.unlink()
            _remove_companions(part)
        os.close(descriptor)


def publish(part: Path, path: Path) -> None:
    """Give a file that is complete its name, for good. Raises `OperationError` if it is taken."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    refuse_existing(path)
    part.rename(path)
    _sync_folder(path.parent)


def refuse_existing(path: Path) -> None:
    """Raises `OperationError` where something has that name."""
    if os.path.lexists(path):
        raise OperationError(f"{path} is there already: choose another name")


def write_once(path: Path, content: str) -> None:
    """Write a file unless there is one of that name; only its owner can read it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
    _sync_folder(path.parent)


def remove_left_parts(folder: Path, pattern: str) -> None:
    """Remove the parts of killed processes in a folder, by the name that they would have had."""
    for part in folder.glob(pattern + PART):
        with contextlib.suppress(OperationError), part_of(part.with_name(part.name[: -len(PART)])):
            pass


def _locked(part: Path) -> int:
    """An open file that is at `part` and locked. Raises `BlockingIOError` where it is not ours."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        # Who held the lock before may have given the file its name, or removed it.
        if _is_at(descriptor, part):
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_companions(path: Path) -> None:
    for end in COMPANIONS:
        path.with_name(path.name + end).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
