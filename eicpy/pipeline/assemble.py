"""From the sums of the segments to the products of the night."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.table import CalibrationTable, Made, Treatment
from eicpy.decoding import SpectraColumns
from eicpy.events import (
    DeadTime,
    GoodTimeIntervals,
    LightCurve,
    band_columns,
    multiples_card,
    tables_of_criteria,
    tick_of,
)
from eicpy.instruments import Instrument
from eicpy.pipeline.good_time import GoodTime
from eicpy.pipeline.photon_task import STEP, PhotonSums
from eicpy.products import InputFile, Observation, Provenance, card_for, product_file_name, write_product

__all__ = ["NightProductWriter", "NightSums"]


class NightSums:
    """The sums of all segments, added one at a time so that memory does not grow with their number.

    Parameters
    ----------
    instrument
        The detector.
    bands
        Bands in which its photons are counted, keV.
    """

    def __init__(self, instrument: Instrument, bands: tuple[tuple[float, float], ...]) -> None:
        self.bands = bands
        self._tick = tick_of(instrument)
        self._dead_time = DeadTime.of(instrument)
        self.photons = 0
        self.outside = 0
        self.wrong = 0
        self.readouts = np.zeros(instrument.pixels.count, np.int64)
        self.spectra = np.zeros((instrument.pixels.count, instrument.energy.channels), np.int32)
        self.images = np.zeros((len(bands), instrument.pixels.count), np.int64)
        self._curves: list[tuple[float, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []

    def add(self, sums: PhotonSums) -> None:
        """Add a segment."""
        self.photons += sums.photons
        self.outside += sums.outside
        self.wrong += sums.wrong
        self.readouts += sums.readouts
        self.spectra += sums.spectra
        self.images += sums.images
        if sums.photons:
            self._curves.append((sums.first_bin, sums.light_curve, sums.recorded))

    def live_times(self, good_time: float) -> npt.NDArray[np.float64]:
        """Live time of each pixel, s: the good time, less the dead time of its sector where that is known."""
        if self._dead_time is None:
            return np.full(len(self.spectra), good_time)
        return self._dead_time.live_times(good_time, self.readouts)

    def light_curve(self, gti: GoodTimeIntervals) -> LightCurve | None:
        """Light curve of the night; None where there was no photon."""
        if not self._curves:
            return None
        first = min(start for start, *_ in self._curves)
        last = max(start + STEP * recorded.size for start, _, recorded in self._curves)
        bins = round((last - first) / STEP)
        counts, recorded = np.zeros((len(self.bands), bins), np.int64), np.zeros(bins, np.int64)
        for start, part, whole in self._curves:
            at = round((start - first) / STEP)
            counts[:, at : at + whole.size] += part
            recorded[at : at + whole.size] += whole
        exposure = gti.exposure_in(first + STEP * np.arange(bins + 1))
        live = None
        if self._dead_time is not None:
            load = self._dead_time.load(self.readouts)
            live = self._dead_time.live_in_bins(exposure, recorded, load)
        return LightCurve(first, STEP, self.bands, counts, exposure, self._tick, live)


@dataclass(frozen=True)
class NightProductWriter:
    """Writes the products of a night.

    Parameters
    ----------
    instrument
        The detector.
    folder
        Folder of the night.
    night
        Name of the night, YYYYMMDD.
    day
        Its date.
    letter
        T for simulated data, F for data from the detector.
    provenance
        Record that the products share.
    treatment
        How its photons were treated.
    observation
        What is known of the observation.
    """

    instrument: Instrument
    folder: Path
    day: Any
    letter: str
    provenance: Provenance
    treatment: Treatment
    observation: Observation = field(default_factory=Observation)

    def path(self, card: str, version: int = 1) -> Path:
        """File of a product of this night."""
        name = card_for(card, self.instrument.card_prefix)
        return self.folder / product_file_name(name, self.day, self.letter, version)

    def write(
        self,
        card: str,
        tables: Mapping[str, Mapping[str, npt.ArrayLike]],
        *,
        version: int = 1,
        inputs: Iterable[InputFile | Path] = (),
        header: Mapping[str, Any] | None = None,
        corrections: Iterable[str] = (),
        table_headers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Path:
        """Write a product."""
        provenance = self.provenance.with_inputs(*inputs).with_corrections(*corrections)
        return write_product(
            self.path(card, version),
            card,
            tables,
            issuer=self.instrument,
            provenance=provenance,
            header={**self.observation.to_header(), **(header or {})},
            table_headers=table_headers,
        )

    def photon_products(self, sums: NightSums, good_time: GoodTime) -> list[Path]:
        """Write spectra, images, light curve and good time."""
        gti = good_time.total
        grid = self.instrument.pixels
        detnum = np.arange(grid.count)
        i, j = grid.ij(detnum)
        live = sums.live_times(gti.exposure)
        rule = self.instrument.dead_time
        known = () if rule is None else ("dead time",)
        in_bands = self.treatment.corrections + self.treatment.band_corrections + known
        dead = {} if rule is None else {"DEADTIME": (rule.length, f"s, of a sector, {rule.note}")}
        in_good = {"ONTIME": (gti.exposure, "s, sum of the good time"), **dead}
        images = {f"COUNTS_{n}": counts for n, counts in enumerate(sums.images, start=1)}
        made = [
            self.write(
                "ECL-QLK-SPC",
                {"ECL-QLK-SPC": {"DETNUM": detnum, "LIVETIME": live, "SPECTRUM": sums.spectra}},
                table_headers={"ECL-QLK-SPC": in_good | multiples_card("single")},
                corrections=known,
            ),
            self.write(
                "ECL-QLK-DPI",
                {
                    "ECL-QLK-DPI": {"DETNUM": detnum, "JDET": j, "IDET": i, "LIVETIME": live, **images},
                    "BANDS": band_columns(sums.bands),
                },
                table_headers={"ECL-QLK-DPI": in_good | multiples_card("combine")},
                corrections=in_bands,
            ),
            self.write(
                "ECL-GTI-CAL",
                tables_of_criteria(good_time.criteria),
                header={"UNKNOWN": (",".join(good_time.unknown) or "NONE", "criteria without housekeeping")},
            ),
        ]
        curve = sums.light_curve(gti)
        if curve is not None:
            made.append(
                self.write(
                    "ECL-QLK-LCV",
                    curve.to_tables(),
                    table_headers={"ECL-QLK-LCV": {**curve.to_header(), **dead, **multiples_card("combine")}},
                    corrections=in_bands,
                )
            )
        return made

    def onboard_spectra(self, parts: list[SpectraColumns]) -> list[Path]:
        """Write the spectra accumulated on board, if there are any."""
        filled = [p for p in parts if len(p)]
        if not filled:
            return []
        columns = {
            "TIME": np.concatenate([p.time for p in filled]),
            "DETNUM": np.concatenate([p.detnum for p in filled]),
            "LIVETIME": np.concatenate([p.live_time for p in filled]),
            "SPECTRUM": np.concatenate([p.counts for p in filled]),
        }
        return [self.write("ECL-QLK-OBS", {"ECL-QLK-OBS": columns})]

    def calibration_table(self, kind: CalibrationTable[Any], made: Made[Any], version: int) -> Path:
        """Write a calibration table that was made from this night."""
        return self.write(
            kind.card,
            {kind.card: made.columns},
            version=version,
            inputs=[self.path(card) for card in kind.needs],
            header=made.header,
        )
