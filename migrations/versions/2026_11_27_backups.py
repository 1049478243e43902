"""When the last backup was made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0016"
down_revision = "0015"

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("heartbeat", sa.Column("backed_up_at", MOMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("heartbeat", "backed_up_at")
