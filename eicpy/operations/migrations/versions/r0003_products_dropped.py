"""Which product a dropped file is, and from when to when it tells something."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version; files of before are packets or photons."""
    with op.batch_alter_table("ingested_file") as file:
        file.add_column(sa.Column("card", sa.String(length=64), nullable=False, server_default=""))
        file.add_column(sa.Column("data_start", sa.Float(53), nullable=True))
        file.add_column(sa.Column("data_stop", sa.Float(53), nullable=True))


def downgrade() -> None:
    """Go back to the version before."""
    with op.batch_alter_table("ingested_file") as file:
        for name in ("data_stop", "data_start", "card"):
            file.drop_column(name)
