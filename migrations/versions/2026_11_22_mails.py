"""Mails: bulk and one-time deliveries, messages of organizers, and who wants none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


def exact(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def switch(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


def upgrade() -> None:
    op.add_column("delivery", switch("bulk"))
    op.add_column("delivery", sa.Column("once", code(64), nullable=True))
    op.create_index("ix_delivery_once", "delivery", ["once"], unique=True)
    op.create_index(
        "ix_delivery_receiver_state_bulk_next_try_at",
        "delivery",
        ["receiver", "state", "bulk", "next_try_at"],
    )
    op.drop_index("ix_delivery_state_next_try_at", "delivery")
    op.add_column("event", switch("reminds"))
    op.add_column("organizer", switch("wants_sold_out"))
    op.add_column("organizer", switch("wants_summary"))
    op.create_table(
        "message",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("audience", code(16), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "audience IN ('all', 'confirmed', 'waiting')", name=op.f("ck_message_audience")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_message_event_id"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        **UTF8MB4,
    )
    op.create_index("ix_message_event_id", "message", ["event_id"])
    op.create_table(
        "opt_out",
        sa.Column("organizer_id", ID, nullable=False),
        sa.Column("recipient", exact(254), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["organizer_id"], ["organizer.id"], name="fk_opt_out_organizer_id"),
        sa.PrimaryKeyConstraint("organizer_id", "recipient", name="pk_opt_out"),
        **UTF8MB4,
    )


def downgrade() -> None:
    op.drop_table("opt_out")
    op.drop_table("message")
    op.drop_column("organizer", "wants_summary")
    op.drop_column("organizer", "wants_sold_out")
    op.drop_column("event", "reminds")
    op.create_index("ix_delivery_state_next_try_at", "delivery", ["state", "next_try_at"])
    op.drop_index("ix_delivery_receiver_state_bulk_next_try_at", "delivery")
    op.drop_index("ix_delivery_once", "delivery")
    op.drop_column("delivery", "once")
    op.drop_column("delivery", "bulk")
