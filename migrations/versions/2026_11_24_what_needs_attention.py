"""Indexes for what needs an organizer's attention: what starts soon, and what was not delivered."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ix_event_organizer_id_starts_at", "event", ["organizer_id", "starts_at"])
    op.create_index("ix_delivery_event_id_state", "delivery", ["event_id", "state"])
    op.drop_index("ix_delivery_event_id", "delivery")
    # MySQL checks a foreign key by the first index that begins with it, and not at all where
    # another column of that index is null: the one without nulls comes first.
    op.drop_index("ix_delivery_event_id_position", "delivery")
    op.create_index("ix_delivery_event_id_position", "delivery", ["event_id", "position"])


def downgrade() -> None:
    op.create_index("ix_delivery_event_id", "delivery", ["event_id"])
    op.drop_index("ix_delivery_event_id_state", "delivery")
    op.drop_index("ix_event_organizer_id_starts_at", "event")
