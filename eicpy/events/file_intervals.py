"""Good time intervals that stand beside photons in a FITS file.

They are the extension GTI, or STDGTI (XMM, XRT), or one whose name begins so or whose HDUCLAS1 is GTI.
Several that differ, as one for each chip, are not ours to join: which of them holds for all photons nobody
says.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.events.gti import GoodTimeIntervals
from eicpy.products import TimeReference, Unit, read_table, reading

__all__ = ["find_intervals"]

_REFERENCES = ("MJDREF", "MJDREFI", "MJDREFF", "JDREF", "JDREFI", "JDREFF", "DATEREF")


def find_intervals(
    path: Path, units: Sequence[Unit], reference: TimeReference, *, ours: bool
) -> GoodTimeIntervals | None:
    """Read the good time intervals of a photon file.

    Parameters
    ----------
    path
        The file.
    units
        Its units.
    reference
        That of the photons, which also holds for intervals whose header has none.
    ours
        Whether the format stands for the mission's reference where a header says nothing.

    Returns
    -------
    GoodTimeIntervals
        None where there are none.

    Raises
    ------
    BadDataError
        For intervals that do not read, several that differ, or times whose reference is not known.
    """
    found = _candidates(units)
    intervals = [_read(path, unit, units[0], reference, ours=ours) for unit in found]
    if any(one != intervals[0] for one in intervals[1:]):
        names = ", ".join(f"EXTNAME {u.name} EXTVER {u.header.get('EXTVER', 1)}" for u in found)
        raise BadDataError(
            f"got several good time intervals that differ ({names}), expected one set for all photons",
            file=path,
            offset=found[0].offset,
        )
    return intervals[0] if intervals else None


def _candidates(units: Sequence[Unit]) -> list[Unit]:
    """The extensions with intervals: those of the first rule that finds any."""
    tables = [u for u in units if str(u.header.get("XTENSION", "")).strip() == "BINTABLE"]
    rules: tuple[Callable[[Unit], bool], ...] = (
        lambda unit: unit.name.upper() == "GTI",
        lambda unit: unit.name.upper() == "STDGTI",
        lambda unit: unit.name.upper().startswith(("GTI", "STDGTI")) and "-" not in unit.name,
        lambda unit: str(unit.header.get("HDUCLAS1", "")).strip().upper() == "GTI",
    )
    return next((found for rule in rules if (found := [u for u in tables if rule(u)])), [])


def _read(path: Path, unit: Unit, primary: Unit, photons: TimeReference, *, ours: bool) -> GoodTimeIntervals:
    columns = range(1, int(unit.header["TFIELDS"]) + 1)
    names = [str(unit.header.get(f"TTYPE{n}", "")).strip().upper() for n in columns]
    column = names.index("START") + 1 if "START" in names else None
    alone = any(key in unit.header for key in _REFERENCES)
    reference = TimeReference.of(path, unit, (primary,), column=column, ours=ours or not alone)
    if not alone:
        reference = replace(photons, unit=reference.unit)
    table = read_table(path, unit)
    with reading("good time intervals", path, unit.data_offset):
        stored = GoodTimeIntervals.from_columns(table.columns)
        return GoodTimeIntervals(reference.seconds(stored.start), reference.seconds(stored.stop))
