"""Settings: defaults, what is accepted, and that a mistake is one line naming its variable."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from webapp.config import Settings, SettingsError, lacks_base_url

FOLDER = Path("/srv/nextup/instance")
SECRET = "hunter2hunter2hunter2"


def read(**environ: str) -> Settings:
    return Settings.from_environ(environ, instance_path=FOLDER)


def test_defaults_need_nothing_but_the_instance_folder() -> None:
    settings = read()
    assert settings.database_url == f"sqlite:///{FOLDER}/nextup.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert (settings.workers, settings.threads) == (1, 64)
    assert settings.secret_key is None
    assert settings.ratelimit_default == "100 per 15 minutes"
    assert settings.ratelimit_storage_uri == "memory://"
    assert settings.ratelimit_enabled
    assert settings.log_file == f"{FOLDER}/log/nextup.log"
    assert settings.base_url == "http://127.0.0.1:3000"
    assert settings.mail_from == "Nextup <noreply@localhost>"
    assert settings.mail_per_second == 100
    assert settings.cors_origins == ()
    assert not settings.htmx_is_local
    assert read(HTMX_URL="local").htmx_is_local


def test_empty_value_counts_as_not_set() -> None:
    assert read(PORT="", SECRET_KEY="", DATABASE_URL="", WORKERS=" ") == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "30.5"),
        ("WORKERS", "0"),
        ("THREADS", "many"),
        ("TRUSTED_PROXIES", "-1"),
        ("RATELIMIT_ENABLED", "maybe"),
        ("RATELIMIT_DEFAULT", "a lot"),
        ("RATELIMIT_STORAGE_URI", "127.0.0.1:6379"),
        ("RATELIMIT_STORAGE_URI", "mongodb://127.0.0.1"),
        ("LOG_LEVEL", "loud"),
        ("SECRET_KEY", "short"),
        ("SITE_NAME", "two\nlines"),
        ("BASE_URL", "tickets.example.org"),
        ("BASE_URL", "https://tickets.example.org/"),
        ("BASE_URL", "https://www.example.org/tickets"),
        ("BASE_URL", "ftp://tickets.example.org"),
        ("BASE_URL", "https://tickets.example.org:port"),
        ("BASE_URL", "https://user:password@tickets.example.org"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_PER_SECOND", "0"),
        ("HTMX_URL", "https://cdn.example.org/htmx.js"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://www.example.org/path"),
        ("DATABASE_URL", "postgresql://user@host/name"),
        ("DATABASE_URL", "nextup.db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "mysql://user@host:port/name"),
        ("DATABASE_URL", "mysql://user@host"),
        ("DB_PORT", "0"),
        ("DB_HOST", "database.example.org"),
    ],
)
def test_wrong_value_is_refused_in_one_line_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read(**{"DB_USER": "app", "DB_NAME": ""} if name == "DB_PORT" else {}, **{name: value})
    message = str(refusal.value)
    family = "DB_" if name.startswith("DB_") else name
    assert message.startswith(family)
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        "mysql://app:s%40crét@db/n",
        "mariadb://app:s%40crét@db/n",
        "mysql+pymysql://app:s%40crét@db/n",
    ],
)
def test_every_spelling_of_mysql_is_pymysql_with_utf8mb4(url: str) -> None:
    read_url = make_url(read(DATABASE_URL=f"{url}?charset=latin1").database_url)
    assert read_url.drivername == "mysql+pymysql"
    assert read_url.password == "s@crét"
    assert read_url.query["charset"] == "utf8mb4"


def test_relative_sqlite_file_is_in_the_instance_folder() -> None:
    assert read(DATABASE_URL="sqlite:///a.db").database_url == f"sqlite:///{FOLDER}/a.db"
    assert read(DATABASE_URL="sqlite:////var/a.db").database_url == "sqlite:////var/a.db"


def test_password_with_special_characters_survives_the_url() -> None:
    password = " p@ss:w/ord?#%&+é "
    url = make_url(read(DB_USER="app", DB_NAME="n", DB_PASSWORD=password).database_url)
    assert (url.username, url.password, url.host, url.port) == ("app", password, "127.0.0.1", 3306)


def test_database_url_wins_over_its_parts() -> None:
    url = read(DATABASE_URL="mysql://a@one/n", DB_HOST="two", DB_USER="b", DB_NAME="m").database_url
    assert make_url(url).host == "one"


def test_several_workers_need_a_limiter_that_they_share() -> None:
    with pytest.raises(SettingsError, match=r"^WORKERS.*RATELIMIT_STORAGE_URI"):
        read(WORKERS="2")
    assert read(WORKERS="2", RATELIMIT_ENABLED="false").workers == 2
    assert read(WORKERS="2", RATELIMIT_STORAGE_URI="redis://127.0.0.1").workers == 2


def test_organizer_name_and_password_come_together() -> None:
    with pytest.raises(SettingsError, match="ORGANIZER_PASSWORD"):
        read(ORGANIZER_USERNAME="anna")
    with pytest.raises(SettingsError, match="ORGANIZER_USERNAME"):
        read(ORGANIZER_PASSWORD=SECRET)


def test_mail_needs_an_address_for_its_links() -> None:
    with pytest.raises(SettingsError, match=r"^BASE_URL"):
        read(MAIL_URL="smtp://mail.example.org")
    settings = read(MAIL_URL="smtp://mail.example.org", BASE_URL="https://tickets.example.org")
    assert settings.mail_from == "Nextup <noreply@tickets.example.org>"


@pytest.mark.parametrize(
    "value", ["http://mail", "smtp://", "smtp://host:port", "mail.example.org"]
)
def test_wrong_mail_url_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^MAIL_URL"):
        read(MAIL_URL=value, BASE_URL="https://tickets.example.org")


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
        ("::1", "http://[::1]:3000"),
        ("tickets.example.org", "http://tickets.example.org:3000"),
    ],
)
def test_base_url_follows_host_to_what_a_browser_can_open(host: str, base_url: str) -> None:
    assert read(HOST=host).base_url == base_url


def test_origins_are_a_list_with_commas() -> None:
    settings = read(CORS_ORIGINS="https://a.example, http://b.example:8080,")
    assert settings.cors_origins == ("https://a.example", "http://b.example:8080")


def test_secret_key_comes_from_the_environment_else_from_the_file(tmp_path: Path) -> None:
    def key(**environ: str) -> str | None:
        return Settings.from_environ(environ, instance_path=tmp_path).secret_key

    assert key() is None
    (tmp_path / "secret_key").write_text("from the file\n")
    assert key() == "from the file"
    assert key(SECRET_KEY=SECRET) == SECRET


@pytest.mark.parametrize(
    "environ",
    [
        {"SECRET_KEY": SECRET},
        {"ORGANIZER_USERNAME": "anna", "ORGANIZER_PASSWORD": SECRET},
        {"DB_USER": "app", "DB_NAME": "n", "DB_PASSWORD": SECRET},
        {"MAIL_URL": f"smtp://anna:{SECRET}@mail", "BASE_URL": "https://tickets.example.org"},
        {"RATELIMIT_STORAGE_URI": f"redis://:{SECRET}@cache"},
    ],
)
def test_secrets_are_not_in_the_repr(environ: dict[str, str]) -> None:
    assert SECRET not in repr(read(**environ))


@pytest.mark.parametrize(
    "environ",
    [
        {"DATABASE_URL": f"oracle://anna:{SECRET}@host/name"},
        {"DATABASE_URL": f"mysql://anna:{SECRET}@host:port/name"},
        {"DATABASE_URL": f"mysql://anna:{SECRET}@host"},
        {"DATABASE_URL": SECRET},
        {"DB_PASSWORD": SECRET},
        {"MAIL_URL": f"http://anna:{SECRET}@mail", "BASE_URL": "https://tickets.example.org"},
        {"BASE_URL": f"https://anna:{SECRET}@tickets.example.org"},
        {"CORS_ORIGINS": f"https://anna:{SECRET}@tickets.example.org"},
        {"RATELIMIT_STORAGE_URI": f"memcached://:{SECRET}@cache"},
        {"SECRET_KEY": f"{SECRET}\n{SECRET}"},
        {"ORGANIZER_PASSWORD": SECRET},
    ],
)
def test_secrets_are_not_in_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refusal:
        read(**environ)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de_AT.UTF-8:de:en", "de"),
        ("fr_FR:de_DE", "de"),
        ("en_GB:en:de", "en"),
        ("fr", "en"),
        ("../de", "en"),
        ("C", "en"),
    ],
)
def test_language_is_the_first_that_we_have_whatever_a_desktop_says(
    given: str, language: str
) -> None:
    assert read(LANGUAGE=given).language == language


@pytest.mark.parametrize(
    ("environ", "lacks"),
    [
        ({}, False),
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "::"}, True),
        ({"HOST": "192.0.2.7"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "0.0.0.0", "BASE_URL": "https://tickets.example.org"}, False),
    ],
)
def test_links_lead_nowhere_for_others_without_an_address_for_them(
    environ: dict[str, str], lacks: bool
) -> None:
    assert lacks_base_url(read(**environ)) is lacks
