"""Calibrations and limits of a SCOS-2000 database, as cells of our tables."""

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.importers.scos_database import ScosDatabase, ScosRow
from eicpy.importers.tables import ImportedInstrument, numbers_text
from eicpy.packets import Curve, parse_calibration

__all__ = ["ScosCalibrations"]

_RADIX = {"H": 16, "O": 8, "D": 10, "": 10}
MOST_TEXTS = 4096
"""Most names of the values of a parameter."""


def _by(rows: Iterable[ScosRow], column: str) -> dict[str, list[ScosRow]]:
    found: dict[str, list[ScosRow]] = defaultdict(list)
    for row in rows:
        found[row.text(column)].append(row)
    return dict(found)


class ScosCalibrations:
    """Calibration and limits of each parameter; what cannot be said is noted.

    Parameters
    ----------
    database
        Where they stand.
    made
        Where what cannot be said is noted.
    """

    def __init__(self, database: ScosDatabase, made: ImportedInstrument) -> None:
        tables = database.tables
        self.made = made
        self.curves = {row.text("NUMBR"): row for row in tables["CAF"]}
        self.points = _by(tables["CAP"], "NUMBR")
        self.polynomials = {row.text("IDENT"): row for row in tables["MCF"]}
        self.logarithms = {row.text("IDENT") for row in tables["LGF"]}
        self.texts = {row.text("NUMBR"): row for row in tables["TXF"]}
        self.names = _by(tables["TXP"], "NUMBR")
        self.conditional = _by(tables["CUR"], "PNAME")
        self.checks = _by(tables["OCP"], "NAME")
        self.check_form = {row.text("NAME"): row.text("INTER") for row in tables["OCF"]}

    def of(self, parameter: ScosRow) -> str:
        """Cell of the calibration of a parameter; empty, with a note, where it cannot be said."""
        name = parameter.text("NAME")
        if name in self.conditional:
            others = ", ".join(row.text("SELECT") for row in self.conditional[name])
            self.made.lack(
                f"parameter {name}",
                f"its calibration is chosen by the value of another parameter (CUR: {others}); raw values",
            )
            return ""
        calibration = parameter.text("CURTX")
        if not calibration:
            return ""
        try:
            return self.cell(calibration, status=parameter.text("CATEG") == "S")
        except (BadDataError, ValueError, OverflowError) as error:
            what = error.what if isinstance(error, BadDataError) else str(error)
            self.made.lack(f"calibration {calibration}", f"{what}; raw values")
            return ""

    def cell(self, calibration: str, *, status: bool) -> str:
        """Cell of a calibration of a name."""
        if status or calibration in self.texts:
            return self._texts(calibration)
        if calibration in self.curves:
            return self._curve(self.curves[calibration])
        if calibration in self.polynomials:
            row = self.polynomials[calibration]
            powers = [float(row.text(f"POL{k}") or 0) for k in range(1, 6)]
            while len(powers) > 1 and powers[-1] == 0:
                powers.pop()
            return "poly:" + ";".join(_number(power) for power in powers)
        if calibration in self.logarithms:
            raise BadDataError("a logarithmic calibration (LGF), which our tables do not have")
        raise BadDataError("got none of this name in CAF, MCF, LGF or TXF")

    def _curve(self, curve: ScosRow) -> str:
        name = curve.text("NUMBR")
        radix = _RADIX.get(curve.text("RADIX")) if curve.text("RAWFMT") == "U" else 10
        if radix is None:
            raise BadDataError(f"got radix {curve.text('RADIX')!r}, expected D, H or O")
        pairs = []
        for row in self.points.get(name, []):
            raw = row.text("XVALS")
            pairs.append((_number(float(int(raw, radix)) if radix != 10 else float(raw)), row.text("YVALS")))
        pairs.sort(key=lambda pair: float(pair[0]))
        cell = numbers_text("curve", [(raw, _number(float(value))) for raw, value in pairs])
        parse_calibration(cell)
        if curve.text("INTER") == "F":
            self.made.lack(
                f"calibration {name}",
                "values outside of the curve are invalid in the database; ours goes on straight",
            )
        return cell

    def _texts(self, calibration: str) -> str:
        rows = self.names.get(calibration)
        if not rows:
            raise BadDataError("got no names (TXP) for it")
        if len(rows) > MOST_TEXTS:
            raise BadDataError(f"got {len(rows)} names, expected {MOST_TEXTS} or fewer")
        pairs: list[tuple[str, str]] = []
        for row in rows:
            low, high = row.number("FROM"), row.number("TO")
            if high < low:
                raise BadDataError(f"got a name for the values {low} to {high}, expected the lower one first")
            pairs.append((str(low) if low == high else f"{low}..{high}", row.text("ALTXT")))
        cell = numbers_text("text", pairs)
        parse_calibration(cell)
        return cell

    def limits(self, parameter: ScosRow, calibration: str) -> dict[str, str]:
        """Columns of the limits of a parameter: soft ones warn, hard ones alarm."""
        name = parameter.text("NAME")
        found: dict[str, str] = {}
        for row in self.checks.get(name, []):
            level = {"S": "warning", "H": "alarm"}.get(row.text("TYPE"))
            if row.text("RLCHK"):
                self.made.lack(
                    f"limits of {name}",
                    f"a check that holds while {row.text('RLCHK')} = {row.text('VALPAR')}",
                )
            elif level is None or f"{level}_low" in found:
                self.made.lack(f"limits of {name}", f"a further check of type {row.text('TYPE')}")
            elif parameter.text("CATEG") == "S":
                self.made.lack(f"limits of {name}", "an expected status, which our tables do not have")
            else:
                try:
                    found |= self._ends(row, level, calibration)
                except ValueError as error:
                    self.made.lack(f"limits of {name}", f"{row.position}: {error}")
        return found

    def _ends(self, check: ScosRow, level: str, calibration: str) -> dict[str, str]:
        """Ends of a range as engineering values."""
        ends = np.array([float(check.text("LVALU")), float(check.text("HVALU"))])
        if self.check_form.get(check.text("NAME"), "U") == "U":
            if not _monotonic(calibration, ends):
                raise ValueError("limits of raw values, and a calibration that goes up and down between them")
            ends = np.sort(parse_calibration(calibration)(ends))
        return {
            f"{level}_{side}": _number(float(end)) for side, end in zip(("low", "high"), ends, strict=True)
        }


def _monotonic(calibration: str, ends: npt.NDArray[np.float64]) -> bool:
    """Whether a range of raw values is a range of engineering values, too."""
    curve = parse_calibration(calibration)
    bends = (
        np.array(curve.raw)
        if isinstance(curve, Curve)
        else np.linspace(float(ends.min()), float(ends.max()), 1025)
    )
    inside = bends[(bends >= ends.min()) & (bends <= ends.max())]
    steps = np.diff(curve(np.unique([*ends, *inside])))
    return bool((steps >= 0).all() or (steps <= 0).all())


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"got {value}, expected a number")
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
