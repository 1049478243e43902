"""Whom attendees turn to, why an event was cancelled, how often a ticket was given to others."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0012"
down_revision = "0011"

ADDRESS = sa.String(254).with_variant(
    mysql.VARCHAR(254, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)
COLUMNS: tuple[tuple[str, str, sa.types.TypeEngine[object]], ...] = (
    ("organizer", "display_name", sa.String(200)),
    ("organizer", "contact_email", ADDRESS),
    ("event", "cancel_reason", sa.String(1000)),
    ("booking", "times_given", sa.Integer()),
)


def upgrade() -> None:
    for table, name, type_ in COLUMNS:
        op.add_column(table, sa.Column(name, type_, nullable=True))


def downgrade() -> None:
    for table, name, _ in COLUMNS:
        op.drop_column(table, name)
