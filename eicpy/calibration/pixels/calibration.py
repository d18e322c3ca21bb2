"""Pixel status as a calibration table: candidates for dead, noisy and weak pixels, made from every night.

They are candidates: nobody decides about them yet, and no night leaves a pixel out because of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.pixels.by_band import counts_in_bands, pixel_status_by_band
from eicpy.calibration.pixels.status import PixelStatus
from eicpy.calibration.table import CalibrationTable, Inputs, Made, PixelStates
from eicpy.errors import BadDataError
from eicpy.typing import FloatArray, IntArray

__all__ = ["BandQuality", "KnownSource", "PixelCalibration", "PixelChange", "PixelStatusTable"]

_NOTES = {
    "no attitude": (
        "No source was taken out, though there may be bright ones: no attitude of this night was ingested. "
        "`eic ingest SVO-ATT-CNV-….fits`, then run the night again."
    ),
    "no mask": (
        "No source was taken out, though there may be bright ones: the pattern of the mask is not known."
    ),
    "no source": "No known source was bright enough to matter.",
}
"""What the card SRCNOTE means to a reader."""
_CARDS = ("EMIN", "EMAX", "SCATTER", "LOSS", "EXCESS")


@dataclass(frozen=True, slots=True)
class BandQuality:
    """How small a change the judgement in a band still sees.

    Parameters
    ----------
    low, high
        Limits of the band, keV.
    scatter
        Relative scatter of good pixels; with a source that is not known, its shadow is in it.
    smallest_loss, smallest_excess
        Multiples of the expected counts at which half of the pixels are named; NaN where nothing is known.
    blind
        Whether pixels with half, or twice, the counts are missed more often than found.
    """

    low: float
    high: float
    scatter: float
    smallest_loss: float
    smallest_excess: float
    blind: bool


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source whose shadow was taken out.

    Parameters
    ----------
    name
        Of the catalogue.
    counts, error
        What it brought to the plane, in all bands together.
    """

    name: str
    counts: float
    error: float


@dataclass(frozen=True, slots=True)
class PixelStatusTable:
    """Status of all pixels, in the order of ``detnum``.

    Parameters
    ----------
    status
        :class:`PixelStatus`, uint8, shape (n_pixels,).
    rate, expected
        Measured rate and that of a good pixel, counts/s; same shape. NaN where not known.
    significance
        Largest departure in any band, in standard deviations; same shape. NaN where not known.
    bands
        How well each band was judged; empty in a table of before.
    sources
        Sources whose shadows were taken out.
    sources_note
        Why none was, in a sentence; empty where some were, and in a table of before.
    """

    status: npt.NDArray[np.uint8]
    rate: FloatArray
    expected: FloatArray
    significance: FloatArray
    bands: tuple[BandQuality, ...] = field(default=())
    sources: tuple[KnownSource, ...] = field(default=())
    sources_note: str = ""


@dataclass(frozen=True, slots=True)
class PixelChange:
    """Pixels with another status than before.

    Parameters
    ----------
    detnum
        Their numbers, shape (n,).
    before, after
        Their :class:`PixelStatus`, shape (n,).
    """

    detnum: IntArray
    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{n}</td><td>{_label(old)}</td><td>{_label(new)}</td></tr>"
            for n, old, new in zip(self.detnum, self.before, self.after, strict=True)
        )
        return f"<table><tr><th>detnum</th><th>before</th><th>now</th></tr>{rows}</table>"


class PixelCalibration(CalibrationTable[PixelStatusTable]):
    """The status of every pixel, AUX-ECL-PIX-STA."""

    tag = "pixels"
    card = "AUX-ECL-PIX-STA"
    title = "pixel status"
    absent = "Pixels of this detector are not judged: they are not alike, or do not see the same."
    needs = ("ECL-QLK-SPC",)
    released = False

    @property
    def applies(self) -> bool:
        """Whether the pixels of this detector can be judged by their neighbours."""
        return self.instrument.health is not None

    def nominal(self) -> PixelStatusTable:
        """Every pixel good, nothing measured."""
        n = self.instrument.pixels.count
        unknown = np.full(n, np.nan)
        return PixelStatusTable(np.zeros(n, np.uint8), unknown, unknown.copy(), unknown.copy())

    def make(self, inputs: Inputs, previous: PixelStatusTable) -> Made[PixelStatusTable]:
        """Judge the pixels by their counts in good time."""
        del previous
        rule = self.instrument.health
        assert rule is not None
        bands = rule.bands or inputs.treatment.bands
        counts, share = counts_in_bands(inputs.spectra, inputs.treatment.scale, bands)
        health = pixel_status_by_band(
            counts, self.instrument.pixels, bands, false_alarm=rule.false_alarm, share=share,
            shadows=inputs.shadows, heat_pipes=rule.heat_pipes,
        )  # fmt: skip
        time = inputs.exposure if inputs.live_time is None else inputs.live_time
        columns = health.to_columns(np.maximum(time, 1e-9))
        codes = {f"STATUS{int(s)}": (s.name, "meaning of a STATUS") for s in PixelStatus}
        cards: dict[str, tuple[Any, str]] = {**health.to_header(), **_source_cards(inputs, health.light)}
        figures = {s.name.lower(): health.number(s) for s in PixelStatus}
        figures["blind_bands"] = sum(h.blind for h in health.health)
        figures["known_sources"] = len(inputs.sources)
        values = {name: value for name, (value, _) in cards.items()}
        return Made(self.read(columns, values), columns, codes | cards, figures)

    def read(self, columns: Mapping[str, npt.ArrayLike], header: Mapping[str, Any]) -> PixelStatusTable:
        """Make the table from a product."""
        detnum = np.asarray(columns["DETNUM"])
        if not np.array_equal(np.sort(detnum), np.arange(self.instrument.pixels.count)):
            raise BadDataError(
                f"got {detnum.size} rows, expected pixels 0 to {self.instrument.pixels.count - 1}, each once"
            )
        order = np.argsort(detnum)
        values = {name: np.asarray(column)[order] for name, column in columns.items()}
        unknown = np.full(detnum.size, np.nan)
        rate, expected, significance = (
            np.asarray(values.get(n, unknown), np.float64) for n in ("RATE", "EXPECTED", "SIGNIFICANCE")
        )
        status = values["STATUS"].astype(np.uint8)
        sources = _sources(header)
        note = "" if sources else str(header.get("SRCNOTE", ""))
        return PixelStatusTable(status, rate, expected, significance, _qualities(header), sources, note)

    def compare(self, new: PixelStatusTable, old: PixelStatusTable) -> PixelChange:
        """Return the pixels with another status than before."""
        changed = np.flatnonzero(new.status != old.status)
        return PixelChange(changed, old.status[changed], new.status[changed])

    def states(self, table: PixelStatusTable) -> PixelStates:
        """Return the status of each pixel in words."""
        labels = {int(s): _label(s) for s in PixelStatus}
        return PixelStates(
            table.status,
            labels,
            ordinary=int(PixelStatus.GOOD),
            details=tuple(map(_details, table.bands)),
            sources=tuple(map(_source_row, table.sources)),
            sources_note=_NOTES.get(table.sources_note, ""),
        )


def _qualities(header: Mapping[str, Any]) -> tuple[BandQuality, ...]:
    """How well each band was judged, from the cards of the product."""
    found = []
    for k in takewhile(lambda k: f"EMIN{k}" in header, count(1)):
        low, high, scatter, loss, excess = (float(header[f"{name}{k}"]) for name in _CARDS)
        scatter, loss, excess = (share if share >= 0.0 else np.nan for share in (scatter, loss, excess))
        found.append(BandQuality(low, high, scatter, loss, excess, bool(header[f"BLIND{k}"])))
    return tuple(found)


def _source_cards(inputs: Inputs, light: FloatArray) -> dict[str, tuple[Any, str]]:
    """Cards of the product: which sources were taken out, with their counts; why none was."""
    if not inputs.sources:
        return {"SRCNOTE": (inputs.sources_note, "known sources")} if inputs.sources_note else {}
    cards: dict[str, tuple[Any, str]] = {}
    for k, (name, (counts, error)) in enumerate(zip(inputs.sources, light, strict=True), start=1):
        cards |= {
            f"SRCNAM{k}": (name, "known source that was taken out"),
            f"SRCCTS{k}": (round(float(counts), 1), "counts that it brought, all bands"),
            f"SRCERR{k}": (round(float(error), 1), "their error"),
        }
    return cards


def _sources(header: Mapping[str, Any]) -> tuple[KnownSource, ...]:
    """Sources that were taken out, from the cards of the product."""
    return tuple(
        KnownSource(str(header[f"SRCNAM{k}"]), float(header[f"SRCCTS{k}"]), float(header[f"SRCERR{k}"]))
        for k in takewhile(lambda k: f"SRCNAM{k}" in header, count(1))
    )


def _source_row(source: KnownSource) -> dict[str, object]:
    """A source as a row of a report."""
    sigma = source.counts / source.error if source.error > 0 else np.nan
    return {"source": source.name, "counts": round(source.counts), "above its error (σ)": round(sigma, 1)}


def _details(band: BandQuality) -> dict[str, object]:
    """A band as a row of a report."""
    return {
        "band (keV)": f"{band.low:g}–{band.high:g}",
        "scatter of good pixels (%)": round(100.0 * band.scatter, 1),
        "losses are found from ×": round(band.smallest_loss, 2),
        "excesses are found from ×": round(band.smallest_excess, 2),
        "judgement": "blind" if band.blind else "sees",
    }


def _label(status: int) -> str:
    return PixelStatus(status).name.lower().replace("_", " ")
