"""The language in which a booking was made, and the one that an organizer reads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"

CODE = sa.String(8).with_variant(
    mysql.VARCHAR(8, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    for table in ("booking", "organizer"):
        op.add_column(table, sa.Column("language", CODE, nullable=True))


def downgrade() -> None:
    for table in ("booking", "organizer"):
        op.drop_column(table, "language")
