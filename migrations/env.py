"""Runs the migrations on the application's database; called by `flask db` and by bin/run."""

from pathlib import Path

from alembic import context
from flask import current_app

from webapp.extensions import Base, db
from webapp.storage import tables  # noqa: F401  # fills the metadata
from webapp.storage.migration import OTHER_URL, check_foreign_keys, migrating


def target() -> str | None:
    """The version that the command leads to; `None` for a command that only looks."""
    try:
        return str(context.get_revision_argument() or "base")
    except KeyError:
        return None


# A file that a restore works on is a copy already.
other_url = context.config.attributes.get(OTHER_URL)
instance_path = None if other_url else Path(current_app.instance_path)
with migrating(
    other_url or db.engine.url, context.script, target=target(), instance_path=instance_path
) as connection:
    is_sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite changes a table by copying it.
        render_as_batch=is_sqlite,
        transactional_ddl=is_sqlite,
    )
    with context.begin_transaction():
        context.run_migrations()
        check_foreign_keys(connection)
