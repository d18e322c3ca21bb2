"""What lies in the folder of a night, read when it is asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eicpy.calibration.table import Treatment, calibration_table, calibration_tables
from eicpy.events import GoodTimeIntervals, read_criteria
from eicpy.instruments import Instrument
from eicpy.nights.record import NightRecord
from eicpy.pipeline.decisions import treatment_with
from eicpy.pipeline.good_time import ALL
from eicpy.pipeline.night_table import NightTable
from eicpy.products import Product, card_for, read_product
from eicpy.settings import Settings
from eicpy.times import to_seconds
from eicpy.typing import AnyArray, FloatArray

__all__ = ["NightFiles"]


@dataclass(frozen=True, repr=False)
class NightFiles:
    """The files of a night.

    What is read from them is a property with a type: completion in a notebook then looks at the type, where
    it would read a ``cached_property`` from the disk to see what can follow.

    Parameters
    ----------
    folder
        Folder of the night.
    record
        What is known of the night.
    instrument
        The detector.
    """

    folder: Path
    record: NightRecord
    instrument: Instrument

    @property
    def settings(self) -> Settings:
        """The set-up the night belongs to."""
        return Settings.at(self.folder.parents[2], _database_url(self.folder.parents[2]))

    @property
    def span(self) -> tuple[float, float]:
        """Begin and end of the night, s."""
        return to_seconds(self.record.start[:19]), to_seconds(self.record.stop[:19])

    def product(self, card: str) -> Product | None:
        """Read a product of the night, given its card (with any prefix); None where there is none."""
        name = card_for(card, self.instrument.card_prefix)
        found = sorted(self.folder.glob(f"{name}-*.fits"))
        return read_product(found[-1], card) if found else None

    def table(self, name: str) -> NightTable:
        """Give a calibration table of the night: the new one, the one in use, whether to accept it.

        Parameters
        ----------
        name
            Its tag, such as ``gain``, or its card.
        """
        return NightTable(calibration_table(name, self.instrument), self.folder, self.record, self.settings)

    @property
    def photon_files(self) -> list[Path]:
        """Photon files of the night, in order of time."""
        card = card_for("ECL-EVT-CAL", self.instrument.card_prefix)
        return sorted(self.folder.glob(f"{card}-*.fits"))

    @property
    def spectra(self) -> AnyArray:
        """Counts per channel (PHA) of each pixel, events of one pixel alone, shape (pixels, channels)."""
        return self._spectra

    @property
    def live_times(self) -> FloatArray | None:
        """Live time of each pixel, s, shape (pixels,); None where no dead time or no photon is known."""
        product = self.product("ECL-QLK-SPC")
        if self.instrument.dead_time is None or product is None:
            return None
        return np.asarray(product.main["LIVETIME"], np.float64)

    @property
    def treatment(self) -> Treatment:
        """Energy scale and bands with which the photons of the night were treated."""
        return self._treatment

    @property
    def good_time(self) -> GoodTimeIntervals:
        """Times in which photon packets came without a gap and the housekeeping allows all."""
        return self._good_time

    @property
    def criteria(self) -> dict[str, GoodTimeIntervals]:
        """Good time by criterion; empty where there is none."""
        return self._criteria

    @cached_property
    def _spectra(self) -> AnyArray:
        product = self.product("ECL-QLK-SPC")
        if product is None:
            return np.zeros((self.instrument.pixels.count, self.instrument.energy.channels), np.int64)
        return product.main["SPECTRUM"]

    @cached_property
    def _treatment(self) -> Treatment:
        used = {card: self.table(card).used for card in calibration_tables(self.instrument)}
        return treatment_with(used, self.instrument)

    @cached_property
    def _criteria(self) -> dict[str, GoodTimeIntervals]:
        product = self.product("ECL-GTI-CAL")
        return {} if product is None else read_criteria(product)

    @cached_property
    def _good_time(self) -> GoodTimeIntervals:
        return self._criteria.get(ALL, GoodTimeIntervals())


def _database_url(home: Path) -> str | None:
    """Address of the database, where the night belongs to the set-up of this environment."""
    here = Settings.from_environment()
    return here.database_url if here.home == home else None
