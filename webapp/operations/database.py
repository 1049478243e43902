"""Whether the database keeps what it was told: durability, tables, letters. For the operator."""

from collections.abc import Iterator

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from webapp.config import current_settings
from webapp.events.decoder import LARGEST_OUTPUT
from webapp.extensions import migrate
from webapp.operations.findings import Finding, fix, ok
from webapp.storage.engines import FEW_CONNECTIONS, SQLITE, dialect
from webapp.storage.migration import known_versions
from webapp.storage.transaction import read

FULL = 2
# The driver may escape each byte of a picture.
LARGEST_PACKET = 2 * LARGEST_OUTPUT
# Variables that a server may not have are empty.
VARIABLES = (
    "innodb_flush_log_at_trx_commit", "innodb_doublewrite", "sync_binlog", "log_bin",
    "binlog_format", "read_only", "max_allowed_packet", "max_connections",
)  # fmt: skip
# For the deliverer, the commands, and whoever looks.
OTHER_CONNECTIONS = 10
ON = ("1", "ON", "DETECT_AND_RECOVER", "DETECT_ONLY")


def check_tables() -> list[Finding]:
    """The tables are those that this Nextup works with."""
    script = ScriptDirectory.from_config(migrate.get_config())
    head = script.get_current_head()
    found = read(lambda one: MigrationContext.configure(one).get_current_revision())
    if found == head:
        return [ok("The tables are up to date (%(version)s).", version=found)]
    if found is None:
        return [fix("The database has no tables yet: start Nextup with bin/run.")]
    if found not in known_versions(script):
        return [
            fix(
                "The tables are of a newer Nextup (%(version)s): update this one, or use another"
                " DATABASE_URL.",
                version=found,
            )
        ]
    return [
        fix(
            "The tables are of an older Nextup (%(version)s of %(head)s): start bin/run again, or"
            " enter: flask --app wsgi db upgrade",
            version=found,
            head=head,
        )
    ]


def check_durability() -> list[Finding]:
    """What was committed is there after a loss of power, and what we write fits."""
    faults, fine = (
        (_faults_of_sqlite, "The database is a file of SQLite, and durable.")
        if dialect() == SQLITE
        else (_faults_of_mysql, "The database is durable, and takes all that we write.")
    )
    return list(read(lambda connection: list(faults(connection)))) or [ok(fine)]


def _faults_of_sqlite(connection: Connection) -> Iterator[Finding]:
    mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    if mode != "wal":
        yield fix(
            "DATABASE_URL: SQLite's file has the journal %(mode)s and not WAL. It has to lie on a"
            " disk of this machine, not on one of the network.",
            mode=mode,
        )
    if connection.execute(text("PRAGMA synchronous")).scalar_one() < FULL:
        yield fix("SQLite does not wait for the disk (PRAGMA synchronous): bookings may be lost.")


def _faults_of_mysql(connection: Connection) -> Iterator[Finding]:
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    query = text(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    is_set = {name.lower(): str(value) for name, value in connection.execute(query)}
    yield from _not_durable(is_set)
    if is_set.get("read_only") in ON:
        yield fix("The database is read-only (read_only): give DATABASE_URL of the primary server.")
    yield from _too_small(is_set)
    letters = connection.execute(text("SELECT @@character_set_connection")).scalar_one()
    narrow = text(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'"
        " AND table_collation NOT LIKE 'utf8mb4%'"
    )
    count = connection.execute(narrow).scalar_one()
    if letters != "utf8mb4" or count:
        yield fix(
            "Tables not in utf8mb4: %(count)s, so emoji and some letters are refused: convert"
            " them (ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4).",
            count=count,
        )


def _not_durable(is_set: dict[str, str]) -> Iterator[Finding]:
    if is_set.get("innodb_flush_log_at_trx_commit", "1") != "1":
        yield fix(
            "innodb_flush_log_at_trx_commit is %(value)s: bookings that were acknowledged may be"
            " lost. Set it to 1 in the database's configuration.",
            value=is_set["innodb_flush_log_at_trx_commit"],
        )
    if is_set.get("innodb_doublewrite", "ON") not in ON:
        yield fix(
            "innodb_doublewrite is off: a loss of power may ruin pages. Set it to ON, unless the"
            " file system writes pages whole."
        )
    if is_set.get("log_bin") not in ON:
        return
    if is_set.get("sync_binlog", "1") != "1":
        yield fix(
            "sync_binlog is %(value)s: after a loss of power replicas may differ. Set it to 1.",
            value=is_set["sync_binlog"],
        )
    if is_set.get("binlog_format", "ROW").upper() == "STATEMENT":
        yield fix("binlog_format is STATEMENT, with which nothing can be written: set it to ROW.")


def _too_small(is_set: dict[str, str]) -> Iterator[Finding]:
    packet = int(is_set["max_allowed_packet"])
    if packet < LARGEST_PACKET:
        yield fix(
            "max_allowed_packet is %(size)s KB, and a picture of an event may need %(needed)s: set"
            " it to 16M.",
            size=packet // 1024,
            needed=LARGEST_PACKET // 1024,
        )
    settings = current_settings()
    pools = max(FEW_CONNECTIONS, settings.threads // 2) + max(
        FEW_CONNECTIONS, settings.threads // 8
    )
    needed, most = settings.workers * pools + OTHER_CONNECTIONS, int(is_set["max_connections"])
    if most < needed:
        yield fix(
            "max_connections is %(most)s, and %(workers)s workers may open %(needed)s: raise it, or"
            " lower WORKERS or THREADS.",
            most=most,
            workers=settings.workers,
            needed=needed,
        )
