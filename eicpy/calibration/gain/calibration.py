"""Gain as a calibration table: fitted to the fluorescence lines of a night, decided about, and then used."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.gain.acceptance import recommend
from eicpy.calibration.gain.fit import fit_gain
from eicpy.calibration.gain.lines import LineModel
from eicpy.calibration.gain.quality import GainChange, compare
from eicpy.calibration.gain.settings import GainFitSettings
from eicpy.calibration.gain.table import GainTable
from eicpy.calibration.gain.words import gain_states
from eicpy.calibration.table import CalibrationTable, Inputs, Made, PixelStates, Recommendation, Treatment
from eicpy.errors import BadDataError
from eicpy.instruments import EnergyRequirement, Instrument
from eicpy.moved import former_detector
from eicpy.text import setup_texts

__all__ = ["GainCalibration"]


class GainCalibration(CalibrationTable[GainTable]):
    """The energy scale of every pixel, AUX-ECL-PIX-CAL."""

    tag = "gain"
    card = "AUX-ECL-PIX-CAL"
    title = "energy scale"
    needs = ("ECL-QLK-SPC",)
    report = "gain"
    absent = "The description of this detector does not say ([gain]) that its scale is found from lines."

    @cached_property
    def _source(self) -> Instrument:
        """The detector; ECLAIRs for a description of the version before, which named no lines."""
        rule = self.instrument.gain
        if rule is None or rule.lines is not None:
            return self.instrument
        former: Instrument = former_detector(f"[gain] of {self.instrument.name}", "[gain.lines]")
        return former

    @cached_property
    def lines(self) -> LineModel:
        """Lines on which the table stands."""
        return LineModel.of(self._source)

    @property
    def requirement(self) -> EnergyRequirement | None:
        """Largest error of the energy that the detector may have; None where it is not known."""
        return self._source.energy.requirement

    @property
    def applies(self) -> bool:
        """Whether the scale is found from the background of this detector."""
        return self.instrument.gain is not None

    def nominal(self) -> GainTable:
        """The same scale for all pixels, from the description of the detector."""
        scale = self.instrument.energy
        return GainTable.nominal(self.instrument.pixels.count, scale.gain, scale.offset)

    def make(self, inputs: Inputs, previous: GainTable) -> Made[GainTable]:
        """Fit gain and offset of every pixel, where there are counts enough."""
        rule = self.instrument.gain
        assert rule is not None
        pixels = self.instrument.pixels.count
        counts = inputs.spectra.sum(axis=1)
        median = float(np.median(counts))
        if median < rule.median_counts:
            texts = setup_texts()
            why = texts("gain_too_few", median=texts.number(median), needed=texts.number(rule.median_counts))
            return Made(None, figures={"fitted": 0, "pixels": pixels}, message=why)
        settings = GainFitSettings(threads=inputs.threads)
        table = fit_gain(
            inputs.spectra, start=previous, lines=self.lines, settings=settings, reference_time=inputs.middle
        ).table
        return Made(
            table,
            columns=table.to_columns() | {"COUNTS": counts},
            header={"TREF": (inputs.middle, "s, middle of the data")},
            figures={
                "fitted": int(table.good.sum()),
                "pixels": pixels,
                "status": table.counts_by_status(),
            },
        )

    def read(self, columns: Mapping[str, npt.ArrayLike], header: Mapping[str, Any]) -> GainTable:
        """Make the table from a product."""
        time = float(header.get("TREF") or "nan")
        table = GainTable.from_columns(columns, reference_time=time)
        if len(table) != self.instrument.pixels.count:
            raise BadDataError(
                f"got a table of {len(table)} pixels, expected {self.instrument.pixels.count} "
                f"of {self.instrument.name}"
            )
        return table

    def compare(self, new: GainTable, old: GainTable) -> GainChange:
        """Return maps of the changes."""
        scale = self.instrument.energy
        energies = (scale.low, scale.high) if self.requirement is None else self.requirement.energies
        return compare(new, old, energies=energies)

    def recommend(self, table: GainTable, previous: GainTable) -> Recommendation:
        """Recommend to accept the table or not; see :mod:`eicpy.calibration.gain.acceptance`."""
        assert self.requirement is not None  # held by the description: lines have a requirement
        return recommend(table, previous, requirement=self.requirement, lines=self.lines)

    def apply(self, treatment: Treatment, table: GainTable, name: str) -> Treatment:
        """Give photons their energies by this scale."""
        return replace(treatment, scale=table, corrections=(*treatment.corrections, f"gain {name}"))

    def states(self, table: GainTable) -> PixelStates:
        """Return the first reason why each pixel has no value of its night."""
        return gain_states(table)

    @property
    def energies(self) -> Mapping[str, float]:
        """The strongest line of each group; none for a detector that is not calibrated on lines."""
        return self.lines.strongest() if self.applies else {}
