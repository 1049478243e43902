"""Runs the migrations on the application's database; called by `flask db`."""

from alembic import context

from webapp import models  # noqa: F401  # fills the metadata
from webapp.database import write_engine
from webapp.extensions import Base

with write_engine().connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite changes a table by copying it.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
