"""Pictures of events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DATA = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
NAME = sa.String(40).with_variant(
    mysql.VARCHAR(40, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)
UTF8MB4 = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


def upgrade() -> None:
    op.add_column("event", sa.Column("picture", NAME, nullable=True))
    op.add_column(
        "event",
        sa.Column("picture_description", sa.String(200), server_default="", nullable=False),
    )
    op.create_table(
        "picture",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("large", DATA, nullable=False),
        sa.Column("small", DATA, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_picture_event_id"),
        sa.PrimaryKeyConstraint("event_id", name="pk_picture"),
        **UTF8MB4,
    )


def downgrade() -> None:
    op.drop_table("picture")
    op.drop_column("event", "picture_description")
    op.drop_column("event", "picture")
