"""Signs of life of a running step, who began it, takeovers, and transactions that were done."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version; a step that runs by then gives no sign of life."""
    with op.batch_alter_table("step") as step:
        step.add_column(sa.Column("actor", sa.String(length=128), nullable=False, server_default=""))
        step.add_column(sa.Column("claim", sa.String(length=32), nullable=False, server_default=""))
        step.add_column(sa.Column("beats", sa.Integer(), nullable=False, server_default="0"))
        step.add_column(sa.Column("beat_at", sa.DateTime(), nullable=True))
    with op.batch_alter_table("calibration_release") as release:
        release.add_column(sa.Column("proposed_by", sa.String(length=128), nullable=False, server_default=""))
    op.create_table(
        "takeover",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("night", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("taken_from", sa.String(length=255), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("beat_at", sa.DateTime(), nullable=True),
        sa.Column("taken_by", sa.String(length=255), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("taken_at", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takeover")),
    )
    op.create_index(op.f("ix_takeover_instrument"), "takeover", ["instrument"])
    op.create_index(op.f("ix_takeover_night"), "takeover", ["night"])
    op.create_table(
        "committed_write",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("written_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_committed_write")),
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("committed_write")
    op.drop_index(op.f("ix_takeover_night"), "takeover")
    op.drop_index(op.f("ix_takeover_instrument"), "takeover")
    op.drop_table("takeover")
    with op.batch_alter_table("calibration_release") as release:
        release.drop_column("proposed_by")
    with op.batch_alter_table("step") as step:
        for name in ("beat_at", "beats", "claim", "actor"):
            step.drop_column(name)
