"""What attendees are asked, what makes a term end, and the beat of the deliverer."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


def upgrade() -> None:
    for name in ("asks_address", "still_coming_lapses"):
        column = sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        op.add_column("event", column)
    op.add_column("event", sa.Column("still_coming_days", sa.Integer(), nullable=True))
    op.create_index("ix_event_next_lapse_at", "event", ["next_lapse_at"])
    op.create_index(
        "ix_event_still_coming_days_starts_at", "event", ["still_coming_days", "starts_at"]
    )
    is_open = sa.Column("is_open", sa.Boolean(), server_default=sa.true(), nullable=False)
    op.add_column("term", is_open)
    op.create_index(
        "ix_term_event_id_is_open_lapses_at", "term", ["event_id", "is_open", "lapses_at"]
    )
    op.create_table(
        "heartbeat",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=True),
        sa.Column("resting", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heartbeat_id")),
        sa.PrimaryKeyConstraint("id", name="pk_heartbeat"),
        **UTF8MB4,
    )
    heartbeat = sa.table("heartbeat", sa.column("id"), sa.column("beat_at", MOMENT))
    op.execute(heartbeat.delete())
    op.execute(heartbeat.insert().values(id=1, beat_at=datetime.now(UTC).replace(tzinfo=None)))


def downgrade() -> None:
    op.drop_table("heartbeat")
    op.drop_index("ix_term_event_id_is_open_lapses_at", "term")
    op.drop_column("term", "is_open")
    op.drop_index("ix_event_still_coming_days_starts_at", "event")
    op.drop_index("ix_event_next_lapse_at", "event")
    for name in ("still_coming_days", "still_coming_lapses", "asks_address"):
        op.drop_column("event", name)
