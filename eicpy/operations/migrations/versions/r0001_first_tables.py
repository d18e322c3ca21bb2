"""The first tables: ingested files, steps, products, excursions, calibration releases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "calibration_release",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("card", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=4096), nullable=False),
        sa.Column("night", sa.String(length=32), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "proposed",
                "accepted",
                "rejected",
                name="release_state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("proposed_at", sa.DateTime(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=128), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration_release")),
        sa.UniqueConstraint("file", name=op.f("uq_calibration_release_file")),
    )
    op.create_index(op.f("ix_calibration_release_instrument"), "calibration_release", ["instrument"])

    op.create_table(
        "excursion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("parameter", sa.String(length=128), nullable=False),
        sa.Column(
            "level",
            sa.Enum("warning", "alarm", name="level", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("start", sa.Float(precision=53), nullable=False),
        sa.Column("stop", sa.Float(precision=53), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("limit", sa.Float(precision=53), nullable=True),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("night", sa.String(length=32), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "new", "handled", name="excursion_state", native_enum=False, create_constraint=True, length=16
            ),
            nullable=False,
        ),
        sa.Column("handled_by", sa.String(length=128), nullable=False),
        sa.Column("handled_at", sa.DateTime(), nullable=True),
        sa.Column("comment", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_excursion")),
        sa.UniqueConstraint(
            "instrument",
            "parameter",
            "level",
            "start",
            name=op.f("uq_excursion_instrument_parameter_level_start"),
        ),
    )
    op.create_index(op.f("ix_excursion_instrument"), "excursion", ["instrument"])
    op.create_index(op.f("ix_excursion_night"), "excursion", ["night"])
    op.create_index(op.f("ix_excursion_state"), "excursion", ["state"])

    op.create_table(
        "ingested_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "claimed",
                "stored",
                "refused",
                name="file_state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ingested_file")),
        sa.UniqueConstraint("instrument", "sha256", name=op.f("uq_ingested_file_instrument_sha256")),
    )
    op.create_index(op.f("ix_ingested_file_state"), "ingested_file", ["state"])

    op.create_table(
        "product",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("card", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=4096), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("night", sa.String(length=32), nullable=False),
        sa.Column("valid_from", sa.Float(precision=53), nullable=True),
        sa.Column("valid_to", sa.Float(precision=53), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("file", name=op.f("uq_product_file")),
    )
    op.create_index(op.f("ix_product_card"), "product", ["card"])
    op.create_index(op.f("ix_product_instrument"), "product", ["instrument"])
    op.create_index(op.f("ix_product_night"), "product", ["night"])

    op.create_table(
        "step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("night", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "running",
                "done",
                "failed",
                name="step_state",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("products", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step")),
        sa.UniqueConstraint("key", name=op.f("uq_step_key")),
    )
    op.create_index(op.f("ix_step_instrument"), "step", ["instrument"])
    op.create_index(op.f("ix_step_night"), "step", ["night"])


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_index(op.f("ix_step_night"), "step")
    op.drop_index(op.f("ix_step_instrument"), "step")

    op.drop_table("step")
    op.drop_index(op.f("ix_product_night"), "product")
    op.drop_index(op.f("ix_product_instrument"), "product")
    op.drop_index(op.f("ix_product_card"), "product")

    op.drop_table("product")
    op.drop_index(op.f("ix_ingested_file_state"), "ingested_file")

    op.drop_table("ingested_file")
    op.drop_index(op.f("ix_excursion_state"), "excursion")
    op.drop_index(op.f("ix_excursion_night"), "excursion")
    op.drop_index(op.f("ix_excursion_instrument"), "excursion")

    op.drop_table("excursion")
    op.drop_index(op.f("ix_calibration_release_instrument"), "calibration_release")

    op.drop_table("calibration_release")
