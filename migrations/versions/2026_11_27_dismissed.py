"""What organizers have put aside of what needs attention."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0014"
down_revision = "0013"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


def code(length: int) -> sa.types.TypeEngine[str]:
    collated = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(collated, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "dismissal",
        sa.Column("organizer_id", ID, nullable=False),
        sa.Column("kind", code(16), nullable=False),
        sa.Column("event_id", ID, nullable=False, autoincrement=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organizer_id"], ["organizer.id"], name=op.f("fk_dismissal_organizer_id")
        ),
        sa.PrimaryKeyConstraint("organizer_id", "kind", "event_id", name=op.f("pk_dismissal")),
        **UTF8MB4,
    )


def downgrade() -> None:
    op.drop_table("dismissal")
