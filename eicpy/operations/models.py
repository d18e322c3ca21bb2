"""The tables of the internal database; the object of each is a row.

Small tables: what was ingested, what was run on it and taken over, what came out, what was out of limits,
which calibrations were accepted, and which transactions were done. Photons, packets and housekeeping values
are in files, not here.

Times of processing (`claimed_at`, `started_at`, …) are UTC; times of the data (`valid_from`,
`start`, …) are seconds TT since MJDREFI 57754, as everywhere in the house.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Float,
    MetaData,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from eicpy.housekeeping import Severity

__all__ = [
    "Base",
    "CommittedWrite",
    "ExcursionRow",
    "ExcursionState",
    "FileRow",
    "FileState",
    "ProductRow",
    "ReleaseRow",
    "ReleaseState",
    "StepRow",
    "StepState",
    "TakeoverRow",
    "UtcDateTime",
]


class UtcDateTime(TypeDecorator[datetime]):
    """Time-zone aware datetimes, stored as UTC: SQLite would drop the zone silently."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, the signature is SQLAlchemy's
        """Convert to UTC on the way in."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, the signature is SQLAlchemy's
        """Give the zone back on the way out."""
        return None if value is None else value.replace(tzinfo=UTC)


class FileState(StrEnum):
    """How far the ingest of a file came."""

    CLAIMED = "claimed"
    """Its bytes are being copied, or were when the process died: the next ingest continues."""
    STORED = "stored"
    REFUSED = "refused"
    """It holds nothing for this instrument or cannot be read; `message` says why."""


class StepState(StrEnum):
    """How far a step of a night came."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ExcursionState(StrEnum):
    """Whether somebody looked at it."""

    NEW = "new"
    HANDLED = "handled"


class ReleaseState(StrEnum):
    """What was decided about a calibration table."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


def _enum(kind: type[StrEnum], name: str) -> Enum:
    """Text with a check, the same on every database."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [m.value for m in members],
    )


class SeverityWord(TypeDecorator[Severity]):
    """``warning`` or ``alarm``."""

    impl = Enum("warning", "alarm", name="level", native_enum=False, create_constraint=True, length=16)
    cache_ok = True

    def process_bind_param(self, value: Severity | None, dialect: Dialect) -> str | None:  # noqa: ARG002, the signature is SQLAlchemy's
        """Write the word."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Severity | None:  # noqa: ARG002, the signature is SQLAlchemy's
        """Read the word."""
        return None if value is None else Severity[value.upper()]


class Base(DeclarativeBase):
    """Base of the tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012, the declaration is SQLAlchemy's
        datetime: UtcDateTime(),
        FileState: _enum(FileState, "file_state"),
        StepState: _enum(StepState, "step_state"),
        Severity: SeverityWord(),
        ExcursionState: _enum(ExcursionState, "excursion_state"),
        ReleaseState: _enum(ReleaseState, "release_state"),
        list[str]: JSON(),
        dict[str, Any]: JSON(),
        float: Float(53),
    }


class FileRow(Base):
    """A file that was offered, by the hash of its content."""

    __tablename__ = "ingested_file"
    __table_args__ = (UniqueConstraint("instrument", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str | None] = mapped_column(String(64))
    """None where the file could not even be read."""
    name: Mapped[str] = mapped_column(String(255))
    path: Mapped[str] = mapped_column(String(4096))
    size: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    """Modification time of the file, ns since 1970: with path and size, how a watched folder
    recognises a file without reading it again."""
    run: Mapped[int | None]
    """Number of the run that holds its bytes."""
    state: Mapped[FileState] = mapped_column(index=True)
    message: Mapped[str] = mapped_column(default="")
    card: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """Product that it is, where it is neither packets nor photons: SVO-ATT-CNV, SVO-ORB-CNV."""
    data_start: Mapped[float | None]
    """First time about which such a product tells something, s."""
    data_stop: Mapped[float | None]
    """The last one, s."""
    claimed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class StepRow(Base):
    """A step of a night: which inputs and configuration, and how it ended."""

    __tablename__ = "step"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 over name, inputs and configuration."""
    instrument: Mapped[str] = mapped_column(String(64), index=True)
    night: Mapped[str] = mapped_column(String(32), index=True)
    name: Mapped[str] = mapped_column(String(128))
    state: Mapped[StepState]
    owner: Mapped[str] = mapped_column(String(255))
    """``host:pid:start`` of the process that runs it, to distinguish a running step from a dead one."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(default="")
    products: Mapped[list[str]]
    """Paths of what it made."""
    actor: Mapped[str] = mapped_column(String(128), default="")
    """Who began it."""
    claim: Mapped[str] = mapped_column(String(32), default="")
    """Made anew each time it is begun: whoever finishes it must know it."""
    beats: Mapped[int] = mapped_column(default=0)
    """Signs of life of its process; that they are counted shows life whatever the clocks say."""
    beat_at: Mapped[datetime | None]
    """When the last one came; None where it gives none."""


class TakeoverRow(Base):
    """A step that was taken from a process which had not finished it."""

    __tablename__ = "takeover"

    id: Mapped[int] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(String(64), index=True)
    night: Mapped[str] = mapped_column(String(32), index=True)
    name: Mapped[str] = mapped_column(String(128))
    taken_from: Mapped[str] = mapped_column(String(255))
    """``host:pid:start`` of the process that had it."""
    started_at: Mapped[datetime]
    """When that began it."""
    beat_at: Mapped[datetime | None]
    """Its last sign of life."""
    taken_by: Mapped[str] = mapped_column(String(255))
    """``host:pid:start`` of the process that has it now."""
    actor: Mapped[str] = mapped_column(String(128))
    """Who runs that."""
    taken_at: Mapped[datetime]
    reason: Mapped[str]
    """Why it might be taken."""


class CommittedWrite(Base):
    """The token of a transaction: that it is here says that the transaction was done."""

    __tablename__ = "committed_write"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProductRow(Base):
    """A product file."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(String(64), index=True)
    card: Mapped[str] = mapped_column(String(64), index=True)
    file: Mapped[str] = mapped_column(String(4096), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    night: Mapped[str] = mapped_column(String(32), index=True)
    valid_from: Mapped[float | None]
    """Start of the time it is about, s."""
    valid_to: Mapped[float | None]
    """End of the time it is about, s."""
    simulated: Mapped[bool | None]
    created_at: Mapped[datetime]


class ExcursionRow(Base):
    """A time during which a parameter was beyond a limit."""

    __tablename__ = "excursion"
    __table_args__ = (UniqueConstraint("instrument", "parameter", "level", "start"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(String(64), index=True)
    parameter: Mapped[str] = mapped_column(String(128))
    level: Mapped[Severity]
    start: Mapped[float]
    """First time beyond the limit, s."""
    stop: Mapped[float]
    """Last time beyond the limit, s."""
    value: Mapped[float]
    """Worst value reached."""
    limit: Mapped[float | None]
    """The limit that was passed."""
    unit: Mapped[str] = mapped_column(String(32), default="")
    night: Mapped[str] = mapped_column(String(32), default="", index=True)
    """Night whose monitoring found it."""
    state: Mapped[ExcursionState] = mapped_column(index=True)
    handled_by: Mapped[str] = mapped_column(String(128), default="")
    handled_at: Mapped[datetime | None]
    comment: Mapped[str] = mapped_column(default="")


class ReleaseRow(Base):
    """A calibration table and what was decided about it."""

    __tablename__ = "calibration_release"

    id: Mapped[int] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(String(64), index=True)
    card: Mapped[str] = mapped_column(String(64))
    file: Mapped[str] = mapped_column(String(4096), unique=True)
    night: Mapped[str] = mapped_column(String(32))
    summary: Mapped[dict[str, Any]]
    """Figures to decide by, for example pass fractions."""
    state: Mapped[ReleaseState]
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[str] = mapped_column(String(128), default="")
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(String(128), default="")
    comment: Mapped[str] = mapped_column(default="")
