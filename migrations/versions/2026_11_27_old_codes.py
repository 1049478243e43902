"""The hashes of references and ticket codes that were replaced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "old_code",
        sa.Column("code_hash", code(64), nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", code(16), nullable=False),
        sa.Column("replaced_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('reference', 'ticket_code')", name=op.f("ck_old_code_kind")),
        sa.ForeignKeyConstraint(
            ["event_id", "position"],
            ["booking.event_id", "booking.position"],
            name="fk_old_code_event_id_position",
        ),
        sa.PrimaryKeyConstraint("code_hash", name="pk_old_code"),
        **UTF8MB4,
    )
    op.create_index("ix_old_code_event_id_position", "old_code", ["event_id", "position"])


def downgrade() -> None:
    op.drop_table("old_code")
