"""Settings: read from the environment, checked once at start, then never changed."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

from dotenv import dotenv_values
from flask import current_app
from limits import parse_many
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from webapp.brand import BrandError, Logo, check_colour, read_logo
from webapp.mail_url import MailUrlError, read_mail_url

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = ROOT / "webapp" / "text" / "catalogues"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
RATELIMIT_STORAGES = ("memory", "redis", "rediss", "redis+unix")
MYSQL_DRIVERS = ("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql")
SECRET_KEY_FILE = "secret_key"  # noqa: S105 - the name of a file
SECRET_KEY_LENGTH = 16
DEFAULT_THREADS = 64
SITE_NAME = "Nextup"


T = TypeVar("T")


class SettingsError(Exception):
    """A setting is wrong; the message is one line that names the variable and holds no secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of Nextup. What may hold a secret is left out of the repr."""

    database_url: str = field(repr=False)
    host: str
    port: int
    workers: int
    threads: int
    secret_key: str | None = field(repr=False)
    organizer_username: str | None
    organizer_password: str | None = field(repr=False)
    ratelimit_default: str
    ratelimit_storage_uri: str = field(repr=False)
    ratelimit_enabled: bool
    bookings_freely: int
    log_file: str
    log_level: str
    mail_url: str | None = field(repr=False)
    mail_from: str
    mail_per_second: int
    base_url: str
    site_name: str
    site_logo: Logo | None = field(repr=False)
    site_color: str | None
    imprint_url: str | None
    privacy_url: str | None
    language: str
    htmx_is_local: bool
    trusted_proxies: int
    cors_origins: tuple[str, ...]
    instance_path: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, instance_path: Path) -> "Settings":
        """Read and check every variable; a relative file name starts at `instance_path`.

        Raises SettingsError for the first value that is wrong.
        """
        read = _Reader(environ)
        host = read.text("HOST", "127.0.0.1")
        port = read.integer("PORT", 3000, least=1, most=65535)
        site_name = read.text("SITE_NAME", SITE_NAME)
        base_url = _base_url(read, host=host, port=port)
        username = read.optional("ORGANIZER_USERNAME")
        password = read.optional("ORGANIZER_PASSWORD")
        if (username is None) != (password is None):
            raise SettingsError("ORGANIZER_USERNAME and ORGANIZER_PASSWORD: set both, or neither")
        settings = cls(
            database_url=_database_url(read, instance_path),
            host=host,
            port=port,
            workers=read.integer("WORKERS", 1, least=1, most=256),
            threads=read.integer("THREADS", DEFAULT_THREADS, least=1, most=1024),
            secret_key=_secret_key(read, instance_path),
            organizer_username=username,
            organizer_password=password,
            ratelimit_default=_rate_limit(read),
            ratelimit_storage_uri=_ratelimit_storage(read),
            ratelimit_enabled=read.boolean("RATELIMIT_ENABLED", True),
            bookings_freely=read.integer("BOOKINGS_FREELY", 100, least=0, most=999_999_999),
            log_file=str(instance_path / read.text("LOG_FILE", "log/nextup.log")),
            log_level=_log_level(read),
            mail_url=_mail_url(read, instance_path),
            mail_from=_mail_from(read, site_name=site_name, base_url=base_url),
            mail_per_second=read.integer("MAIL_PER_SECOND", 100, least=1, most=10_000),
            base_url=base_url,
            site_name=site_name,
            site_logo=_branded(read, "SITE_LOGO", lambda name: read_logo(instance_path / name)),
            site_color=_branded(read, "SITE_COLOR", check_colour),
            imprint_url=_page_elsewhere(read, "IMPRINT_URL"),
            privacy_url=_page_elsewhere(read, "PRIVACY_URL"),
            language=_language(read),
            htmx_is_local=_htmx_is_local(read),
            trusted_proxies=read.integer("TRUSTED_PROXIES", 0, least=0, most=16),
            cors_origins=_cors_origins(read),
            instance_path=str(instance_path),
        )
        settings.check_limiter()
        return settings

    def check_limiter(self) -> None:
        """Refuse a limit that each worker would count for itself."""
        counted_per_worker = self.ratelimit_storage_uri.startswith("memory:")
        if self.ratelimit_enabled and self.workers > 1 and counted_per_worker:
            raise SettingsError(
                f"WORKERS: {self.workers} workers need a RATELIMIT_STORAGE_URI that they share,"
                " such as redis://127.0.0.1:6379, or RATELIMIT_ENABLED=false"
            )


def load_settings() -> Settings:
    """Read the process's environment, then the `.env` file beside wsgi.py; write nothing.

    Raises SettingsError.
    """
    # A password may hold a dollar sign, so nothing in the file is expanded.
    from_file = {
        name: value
        for name, value in dotenv_values(ROOT / ".env", interpolate=False).items()
        if value is not None
    }
    environ = {**from_file, **os.environ}
    instance_path = ROOT / (environ.get("INSTANCE_PATH") or "instance")
    return Settings.from_environ(environ, instance_path=instance_path)


def lacks_base_url(settings: Settings) -> bool:
    """Whether others reach this machine, and links lead nowhere for them."""
    own = f"http://{reachable_host(settings.host)}:{settings.port}"
    return settings.base_url == own and reachable_host(settings.host).strip("[]") != settings.host


def current_settings() -> Settings:
    """The settings of the application that is running."""
    return cast(Settings, current_app.extensions["settings"])


class _Reader:
    """Values of the environment by name; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def optional(self, name: str) -> str | None:
        value = self._environ.get(name, "")
        # Joiners are part of words in other scripts.
        if any(not char.isprintable() and char not in "\u200c\u200d" for char in value):
            raise SettingsError(f"{name}: must be one line without control characters")
        return value or None

    def text(self, name: str, default: str) -> str:
        return (self.optional(name) or "").strip() or default

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise SettingsError(f"{name}: {value!r} is not a whole number from {least} to {most}")
        return int(value)

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default))
        if value.lower() in ("true", "1", "yes", "on"):
            return True
        if value.lower() in ("false", "0", "no", "off"):
            return False
        raise SettingsError(f"{name}: {value!r} is neither true nor false")


def _database_url(read: _Reader, instance_path: Path) -> str:
    given = read.optional("DATABASE_URL")
    if given is not None:
        try:
            url = make_url(given)
        except (ArgumentError, ValueError):
            raise SettingsError(
                "DATABASE_URL: not a database URL; it looks like mysql://user:password@host/name"
            ) from None
        variable = "DATABASE_URL"
    elif any(read.optional(f"DB_{part}") for part in ("HOST", "PORT", "USER", "PASSWORD", "NAME")):
        url = URL.create(
            "mysql",
            username=_required(read, "DB_USER"),
            password=read.optional("DB_PASSWORD"),
            host=read.text("DB_HOST", "127.0.0.1"),
            port=read.integer("DB_PORT", 3306, least=1, most=65535),
            database=_required(read, "DB_NAME"),
        )
        variable = "DB_NAME"
    else:
        url = URL.create("sqlite", database="nextup.db")
        variable = "DATABASE_URL"
    return _normalised(url, variable, instance_path).render_as_string(hide_password=False)


def _normalised(url: URL, variable: str, instance_path: Path) -> URL:
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:":
            raise SettingsError(f"{variable}: SQLite needs a file, such as sqlite:///nextup.db")
        return url.set(database=str(instance_path / url.database))
    if url.drivername not in MYSQL_DRIVERS:
        raise SettingsError(
            f"{variable}: {url.drivername!r} is not supported; use mysql, mariadb or sqlite"
        )
    if not url.database:
        raise SettingsError(f"{variable}: the name of the database is missing")
    return url.set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"})


def _required(read: _Reader, name: str) -> str:
    value = read.optional(name)
    if value is None:
        raise SettingsError(f"{name}: is missing, while other DB_ variables are set")
    return value


def _secret_key(read: _Reader, instance_path: Path) -> str | None:
    key = read.optional("SECRET_KEY")
    if key is not None and len(key) < SECRET_KEY_LENGTH:
        raise SettingsError(f"SECRET_KEY: must have at least {SECRET_KEY_LENGTH} characters")
    if key is None:
        path = instance_path / SECRET_KEY_FILE
        try:
            key = path.read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"SECRET_KEY: cannot read {path}: {error}") from None
    return key


def _rate_limit(read: _Reader) -> str:
    limit = read.text("RATELIMIT_DEFAULT", "100 per 15 minutes")
    try:
        parse_many(limit)
    except ValueError:
        told = f"RATELIMIT_DEFAULT: {limit!r} is not a limit such as '100 per 15 minutes'"
        raise SettingsError(told) from None
    return limit


def _ratelimit_storage(read: _Reader) -> str:
    uri = read.text("RATELIMIT_STORAGE_URI", "memory://")
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme not in RATELIMIT_STORAGES:
        raise SettingsError("RATELIMIT_STORAGE_URI: must begin with redis://, or be memory://")
    return uri


def _log_level(read: _Reader) -> str:
    level = read.text("LOG_LEVEL", "INFO").upper()
    if level not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL: {level!r} is not one of {', '.join(LOG_LEVELS)}")
    return level


def _language(read: _Reader) -> str:
    """The first language of a list that there is a catalogue of, else English.

    Desktops set it as gettext reads it, such as de_AT:de:en_GB: no language may stop the start.
    """
    known = {path.stem for path in CATALOGUES.glob("*.po")} | {"en"}
    for name in read.text("LANGUAGE", "en").split(":"):
        code = name.partition(".")[0].replace("_", "-")
        for each in (code, code.partition("-")[0]):
            if each in known:
                return each
    return "en"


def _htmx_is_local(read: _Reader) -> bool:
    given = read.optional("HTMX_URL")
    if given not in (None, "local"):
        raise SettingsError("HTMX_URL: must be local, for our own copy, or not set, for its CDN")
    return given == "local"


def _branded(read: _Reader, name: str, check: Callable[[str], T]) -> T | None:
    given = read.optional(name)
    try:
        return None if given is None else check(given)
    except BrandError as error:
        raise SettingsError(f"{name}: {error}") from None


def _page_elsewhere(read: _Reader, name: str) -> str | None:
    given = read.optional(name)
    if given is not None and not _is_web_address(given.partition("#")[0].partition("?")[0]):
        raise SettingsError(f"{name}: must look like https://www.example.org/imprint")
    return given


def _base_url(read: _Reader, *, host: str, port: int) -> str:
    given = read.optional("BASE_URL")
    if given is None:
        if read.optional("MAIL_URL") is not None:
            raise SettingsError("BASE_URL: is needed with MAIL_URL, for the links in mails")
        return f"http://{reachable_host(host)}:{port}"
    if not _is_web_address(given) or urlsplit(given).path:
        raise SettingsError(
            "BASE_URL: must look like https://tickets.example.org, without a / or a path behind it"
        )
    return given


def reachable_host(host: str) -> str:
    """`host` as a browser on this machine writes it: loopback where it means every address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return "127.0.0.1" if address.is_unspecified else host
    return "[::1]" if address.is_unspecified else f"[{host}]"


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    more = parts.username is not None or parts.query or parts.fragment or " " in text
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not more


def _mail_url(read: _Reader, instance_path: Path) -> str | None:
    url = read.optional("MAIL_URL")
    if url is None:
        return None
    try:
        read_mail_url(url, folder=instance_path)
    except MailUrlError as error:
        raise SettingsError(f"MAIL_URL: {error}") from None
    return url


def _mail_from(read: _Reader, *, site_name: str, base_url: str) -> str:
    given = read.optional("MAIL_FROM")
    if given is None:
        host = urlsplit(base_url).hostname or ""
        domain = host if re.search(r"[a-z]", host) and ":" not in host else "localhost"
        return str(Address(site_name, addr_spec=f"noreply@{domain}"))
    address = parseaddr(given)[1]
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise SettingsError(f"MAIL_FROM: {given!r} is not an e-mail address")
    return given


def _cors_origins(read: _Reader) -> tuple[str, ...]:
    origins = tuple(filter(None, map(str.strip, read.text("CORS_ORIGINS", "").split(","))))
    for origin in origins:
        if not _is_web_address(origin) or urlsplit(origin).path:
            raise SettingsError(
                "CORS_ORIGINS: must list origins such as https://www.example.org, comma between"
            )
    return origins
