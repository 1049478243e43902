"""Runs the migrations on the application's database; called by `flask db`."""

from alembic import context
from sqlalchemy import NullPool, create_engine

from webapp import models  # noqa: F401  # fills the metadata
from webapp.extensions import Base, db

# An engine of its own: a large table may take longer to change than any request may last.
with create_engine(db.engine.url, poolclass=NullPool).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite changes a table by copying it.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
