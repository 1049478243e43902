"""Where organizers are logged in, so that a sign-in ends on the server."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
HASH = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    op.create_table(
        "login",
        sa.Column("id", ID, nullable=False),
        sa.Column("organizer_id", ID, nullable=False),
        sa.Column("code_hash", HASH, nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organizer_id"], ["organizer.id"], name=op.f("fk_login_organizer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_login_code_hash")),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_login_organizer_id", "login", ["organizer_id"])


def downgrade() -> None:
    op.drop_table("login")
