"""The pace that all deliverers of a receiver keep together."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

CODE = sa.String(16).with_variant(
    mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "pace",
        sa.Column("receiver", CODE, nullable=False),
        sa.Column("free_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("receiver", name="pk_pace"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def downgrade() -> None:
    op.drop_table("pace")
