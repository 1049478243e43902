"""Proven addresses of organizers; levels, ends and uses of their API tokens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LEVEL = sa.String(16).with_variant(
    mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    proven = sa.Column("email_is_proven", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("organizer", proven)
    op.add_column("api_token", sa.Column("level", LEVEL, server_default="manage", nullable=False))
    op.add_column("api_token", sa.Column("expires_at", MOMENT, nullable=True))
    op.add_column("api_token", sa.Column("last_used_at", MOMENT, nullable=True))


def downgrade() -> None:
    for name in ("last_used_at", "expires_at", "level"):
        op.drop_column("api_token", name)
    op.drop_column("organizer", "email_is_proven")
