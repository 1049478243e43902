"""What has to be there before the application can serve: files, tables, an organizer."""

import contextlib
import os
import secrets
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.util import CommandError
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from webapp import create_app
from webapp.accounts import services as accounts
from webapp.config import SECRET_KEY_FILE, Settings, SettingsError, load_settings
from webapp.errors import InvalidInput, Unavailable
from webapp.events import samples
from webapp.extensions import db, migrate
from webapp.storage.migration import migration_engine, migration_lock
from webapp.text.languages import ENGLISH, LANGUAGES
from webapp.text.sentences import sentence_of

DATABASE_WAIT_SECONDS = 20.0
# No password, no database of that name, no right to it: waiting does not help.
REFUSED = {1044, 1045, 1049, 1698}


class StartError(Exception):
    """Something outside the settings keeps the server from starting; the message is one line."""


def make_files(settings: Settings) -> Settings:
    """Make the instance folder and, once, the secret key; the settings with that key."""
    instance_path = Path(settings.instance_path)
    try:
        instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.secret_key is None:
            make_secret_key(instance_path / SECRET_KEY_FILE)
            settings = replace(settings, secret_key=load_settings().secret_key)
    except OSError as error:
        raise StartError(f"cannot write to {instance_path}: {error.strerror}") from None
    try:
        Path(settings.log_file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(settings.log_file).open("ab").close()
    except OSError as error:
        raise SettingsError(f"LOG_FILE: cannot write to it: {error.strerror}") from None
    url = make_url(settings.database_url)
    files = [f"{url.database}{end}" for end in ("", "-wal", "-shm")]
    close_to_others(instance_path, *map(Path, files if url.drivername == "sqlite" else ()))
    return settings


def close_to_others(*paths: Path) -> None:
    """Let nobody else on this machine read what was there before: folders with what is in them.

    A folder that was mounted may be open to all, and so were files of earlier releases.
    """
    for path in paths:
        for each in (path, *(path.iterdir() if path.is_dir() else ())):
            try:
                if not each.is_symlink() and each.stat().st_mode & 0o077:
                    each.chmod(0o700 if each.is_dir() else 0o600)
            except FileNotFoundError:
                continue
            except OSError:
                print(f"Others on this machine can read {each}, which is not ours", flush=True)
                return


def make_secret_key(path: Path) -> None:
    """Write a random key that only its owner can read, unless another process was first.

    The file appears complete or not at all.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)


class FirstOrganizer(NamedTuple):
    """Who can log in; the password only if it was made up just now."""

    username: str
    password: str | None


def prepare(settings: Settings) -> FirstOrganizer:
    """Bring the database up to date, and make the first organizer."""
    app = create_app(settings)
    url = make_url(settings.database_url)
    engine = migration_engine(url)
    with app.app_context():
        try:
            wait_for_database(engine)
            with migration_lock(engine):
                new_file = url.drivername == "sqlite" and not _has_content(url.database)
                command.upgrade(migrate.get_config(), "head")
                organizer = first_organizer(settings)
                if new_file:
                    samples.add_samples(LANGUAGES[settings.language].gettext)
        except Unavailable as error:
            raise StartError(f"the database failed: {sentence_of(error, ENGLISH)}") from None
        except DBAPIError as error:
            raise StartError(f"the database failed: {_reason(error)}") from None
        except CommandError as error:
            raise StartError(str(error)) from None
        finally:
            for used in db.engines.values():
                used.dispose()
    return organizer


def _has_content(path: str | None) -> bool:
    return path is not None and os.path.exists(path) and os.path.getsize(path) > 0


def _reason(error: Exception) -> str:
    """What the database said, without the statement and its values."""
    original = getattr(error, "orig", None) or error
    return " ".join(str(part) for part in original.args) or type(error).__name__


def wait_for_database(engine: Engine) -> None:
    """Return once the database answers; it may be starting at the same time as we are."""
    if engine.url.drivername == "sqlite":
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        return
    deadline = time.monotonic() + DATABASE_WAIT_SECONDS
    told = False
    while True:
        try:
            engine.connect().close()
            return
        except OperationalError as error:
            code = error.orig.args[0] if error.orig and error.orig.args else None
            if code in REFUSED or time.monotonic() > deadline:
                raise StartError(f"cannot use the database: {_reason(error)}") from None
        except (DBAPIError, TypeError, ValueError) as error:
            raise SettingsError(f"DATABASE_URL: {_reason(error)}") from None
        if not told:
            print(f"Waiting for the database at {engine.url.host}", flush=True)
            told = True
        time.sleep(0.5)


def first_organizer(settings: Settings) -> FirstOrganizer:
    """Make the organizer that the settings name, or else the first one."""
    try:
        if settings.organizer_username and settings.organizer_password:
            accounts.ensure_organizer(
                username=settings.organizer_username, password=settings.organizer_password
            )
            return FirstOrganizer(settings.organizer_username, None)
        if (username := accounts.first_username()) is not None:
            return FirstOrganizer(username, None)
        password = secrets.token_urlsafe(12)
        accounts.ensure_organizer(username="organizer", password=password)
    except InvalidInput as error:
        told = sentence_of(error, ENGLISH)
        raise SettingsError(f"ORGANIZER_USERNAME, ORGANIZER_PASSWORD: {told}") from None
    return FirstOrganizer("organizer", password)
