"""Names of the version before that notebooks of users may hold; they go with the next release."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.gain import GainTable, gain_states, goodness_marks
from eicpy.calibration.gain.words import LABELS as GAIN_LABELS
from eicpy.calibration.pixels import PixelStatus
from eicpy.calibration.table import calibration_table
from eicpy.instruments import Instrument
from eicpy.operations import Database
from eicpy.pipeline.decisions import read_calibration_table, tables_in_use

__all__ = ["GAIN_LABELS", "PIXEL_LABELS", "gain_in_force", "gain_reasons", "goodness_marks", "read_gain"]

PIXEL_LABELS: dict[int, str] = {int(s): s.name.lower().replace("_", " ") for s in PixelStatus}
"""Now the labels of ``NightProducts.table("pixels").states``."""


def gain_in_force(database: Database, instrument: Instrument, start: float) -> tuple[GainTable, Path | None]:
    """Now :func:`eicpy.pipeline.decisions.tables_in_use`."""
    used: Any = tables_in_use(database, instrument, start)[calibration_table("gain", instrument).card]
    return used.table, used.file


def read_gain(file: Path, instrument: Instrument) -> GainTable:
    """Now :func:`eicpy.pipeline.decisions.read_calibration_table`."""
    table: GainTable = read_calibration_table(file, calibration_table("gain", instrument))
    return table


def gain_reasons(table: GainTable) -> npt.NDArray[np.uint8]:
    """Now :func:`eicpy.calibration.gain.gain_states`."""
    return np.asarray(gain_states(table).codes, np.uint8)
