"""The products of a night, ready for a notebook: arrays and tables by name, nothing to open or join.

A notebook of the night holds the story and the figures; what has to be read, summed or converted for
them is here. Every method also works for a detector or a night that lacks the product: it then gives
an empty array or table, and the figure says "no data".
"""

import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eicpy.calibration.table import calibration_tables
from eicpy.errors import BadArgumentError, MissingDataError
from eicpy.instruments import load
from eicpy.nights.record import NIGHT, NightRecord
from eicpy.nights.verdict import NightVerdict, night_verdict
from eicpy.opened import Opened, note_opened
from eicpy.operations import ExcursionRow, ExcursionState, excursions, open_database
from eicpy.packets import counter_note
from eicpy.pipeline.good_time import ALL, TELEMETRY
from eicpy.pipeline.night_curve import NightCurve, night_curve
from eicpy.pipeline.night_measurements import NightMeasurements
from eicpy.pipeline.night_words import NightRuns, night_facts
from eicpy.pipeline.parameter_series import ParameterSeries, read_series, summarise
from eicpy.reports.tables import Sentence, Table
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import UNKNOWN, setup_language, setup_texts, unit_sign
from eicpy.times import to_time
from eicpy.typing import AnyArray

__all__ = ["NightProducts"]

_NAMES_BEFORE = {
    "gain_used": ("gain", "in_use"),
    "gain_proposed": ("gain", "new"),
    "gain_shown": ("gain", "shown"),
    "gain_verdict": ("gain", "verdict"),
    "gain_status_table": ("gain", "status_table"),
    "gain_decision": ("gain", "decision"),
    "pixel_status": ("pixels", "columns"),
    "pixel_table": ("pixels", "status_table"),
}
"""Attribute of the version before → table, and attribute of the table; they go with the next release."""


@dataclass(frozen=True, repr=False)
class NightProducts(NightMeasurements):
    """The products of a night.

    Parameters
    ----------
    folder
        Folder of the night.
    record
        What is known of the night.
    instrument
        The detector.

    See Also
    --------
    eicpy.open_night : Opens one from a notebook.
    run_night : Makes the products.

    Examples
    --------
    ::

        night = NightProducts.open()          # the latest night of this set-up
        night.spectra.shape                   # (6400, 1024)
        night.rate(4, 20, step=10)            # in a band of one's own, within good time
        night.spectrum(module=5)              # on the calibrated scale
        night.parameter("ECL_TEMPTH01")       # housekeeping, with unit and limits
        night.table("gain").verdict           # whether to accept the table that was fitted to it
    """

    @classmethod
    def open(
        cls, folder: str | Path = "", *, instrument: str = "", home: Settings | None = None
    ) -> "NightProducts":
        """Open a night.

        Parameters
        ----------
        folder
            Folder of the night. Empty: the night that a report is being made of; anywhere else the latest
            one of `instrument`.
        instrument
            Only looked at where `folder` is empty; by default eclairs.
        home
            The set-up in which the latest is looked for; by default that of the environment.

        Raises
        ------
        MissingDataError
            Where there is no night.
        """
        chosen = Path(folder) if folder else _night_of_the_report(instrument, home)
        if chosen is None:
            chosen = _latest_night(home or Settings.from_environment(), instrument or "eclairs")
        record = NightRecord.read(chosen)
        note_opened(
            Opened(
                "night", str(chosen / "night.json"), record.simulated,
                record.instrument, record.night, record.subject,
            )
        )  # fmt: skip
        return cls(chosen.absolute(), record, load(record.instrument))

    def __repr__(self) -> str:
        return f"<NightProducts {self.record.instrument} {self.record.night} in {self.folder}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Find what notebooks of the version before ask for; completion asks for anything, and often."""
            if name not in _NAMES_BEFORE:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            table, attribute = _NAMES_BEFORE[name]
            new = f'night.table("{table}").{attribute}'
            warnings.warn(
                f"night.{name} is now {new}; it goes with the next release", DeprecationWarning, stacklevel=2
            )
            return getattr(self.table(table), attribute)

    def energy_spectrum(self, *, join: int = 0) -> "tuple[AnyArray, AnyArray]":
        """Spectrum of the whole camera on the nominal scale, each pixel with its own gain.

        Parameters
        ----------
        join
            Channels joined into a bin; 0 joins as many as few photons need to be looked at.

        Returns
        -------
        edges : numpy.ndarray
            keV, shape (bins + 1,).
        counts : numpy.ndarray
            Shape (bins,).
        """
        found = self.spectrum(join=join)
        return found.edges, found.counts

    def light_curve(self, step: int = 1) -> "tuple[AnyArray, dict[str, AnyArray]]":
        """Rates of the whole camera in bands.

        Parameters
        ----------
        step
            Width of a bin, s (whole seconds).

        Returns
        -------
        time : numpy.ndarray
            Middle of each bin, s.
        rates : dict
            Counts per second by band; NaN where there was no good time.

        Raises
        ------
        BadArgumentError
            For a step that is not a whole number of seconds of at least 1.

        See Also
        --------
        rate : In a band of one's own, of some modules or pixels, in bins of any width.
        """
        if not (isinstance(step, int | np.integer) and step >= 1):
            raise BadArgumentError(f"got bins of {step!r} s, expected whole seconds, at least 1")
        curve = self.curve(int(step))
        return curve.time, dict(curve.rates)

    def curve(self, step: int = 0) -> NightCurve:
        """Light curve as a report shows it: rates in bands, what was not good, alerts from on board.

        Parameters
        ----------
        step
            Width of a bin, s (whole seconds); 0 takes one that fits the data.

        Raises
        ------
        BadArgumentError
            For a step that is not a whole number of seconds of at least 0.
        """
        return night_curve(
            self.product("ECL-QLK-LCV"), self.band_labels, self.instrument, self.criteria,
            self.record.alert_times, step,
        )  # fmt: skip

    def images(self) -> "dict[str, AnyArray]":
        """Counts in the plane of the detector by band, each of shape (rows, columns), indexed [z, y]."""
        product = self.product("ECL-QLK-DPI")
        labels, grid = self.band_labels, self.instrument.pixels
        if product is None:
            return {label: np.full((grid.rows, grid.columns), np.nan) for label in labels}
        return {
            label: grid.image(product.main[f"COUNTS_{number}"])
            for number, label in enumerate(labels, start=1)
        }

    @staticmethod
    def colour_limits(image: AnyArray) -> tuple[float, float]:
        """Values for the lowest and highest colour, so that a few noisy pixels do not hide the rest."""
        known = image[np.isfinite(image)]
        low, high = np.percentile(known, (0.5, 99.0)) if known.size else (0.0, 1.0)
        return float(low), float(high if high > low else low + max(1.0, known.max(initial=0.0) - low))

    @property
    def band_labels(self) -> list[str]:
        """The bands of the night as text."""
        return [f"{low:g}–{high:g} keV" for low, high in self.treatment.bands]

    @property
    def line_energies(self) -> dict[str, float]:
        """Lines on which the detector is calibrated, keV by name; none for one that is not."""
        tables = calibration_tables(self.instrument).values()
        return {name: energy for table in tables for name, energy in table.energies.items()}

    def onboard_spectra(self) -> "tuple[AnyArray, dict[str, AnyArray]]":
        """Spectra accumulated on board, summed over the night and the pixels of each module.

        Returns
        -------
        bins : numpy.ndarray
            Number of each bin; the bins are not calibrated.
        spectra : dict
            Counts per bin by module.
        """
        product = self.product("ECL-QLK-OBS")
        if product is None or not len(product.main):
            return np.empty(0), {"none": np.empty(0)}
        spectra, module = product.main["SPECTRUM"], self.instrument.pixels.module(product.main["DETNUM"])
        texts = setup_texts()
        by_module = {
            texts("module_number", module=m): spectra[module == m].sum(axis=0) for m in np.unique(module)
        }
        return np.arange(spectra.shape[1]), by_module

    def onboard_image(self) -> "AnyArray":
        """Counts of the spectra accumulated on board by pixel, shape (rows, columns); NaN where none came."""
        grid = self.instrument.pixels
        counts = np.full(grid.count, np.nan)
        product = self.product("ECL-QLK-OBS")
        if product is not None and len(product.main):
            detnum = product.main["DETNUM"]
            sums = np.bincount(detnum, weights=product.main["SPECTRUM"].sum(axis=1), minlength=grid.count)
            counts[np.unique(detnum)] = sums[np.unique(detnum)]
        return grid.image(counts)

    @property
    def onboard_headline(self) -> Sentence:
        """How many spectra came from the detector."""
        product = self.product("ECL-QLK-OBS")
        if product is None:
            return Sentence("This detector sent none in this night.")
        table, texts = product.main, setup_texts()
        counts, pixels = int(table["SPECTRUM"].sum()), len(np.unique(table["DETNUM"]))
        return Sentence(
            texts(
                "onboard_spectra", len(table), count=texts.number(len(table)), pixels=texts.number(pixels),
                bins=texts.number(table["SPECTRUM"].shape[1]), counts=texts.number(counts),
            )
        )  # fmt: skip

    def housekeeping(self, *, most: int = 12) -> list[ParameterSeries]:
        """Housekeeping parameters of the night, those that left their limits first.

        Parameters
        ----------
        most
            How many.
        """
        first = list(dict.fromkeys(e.parameter for e in self.excursions))
        return read_series(self.settings, self.instrument, self.span, first=first, most=most)

    @property
    def state_table(self) -> Table:
        """Smallest, median and largest value of every numeric housekeeping parameter."""
        return summarise(self.settings, self.instrument, self.span)

    @property
    def excursions(self) -> list[ExcursionRow]:
        """Excursions of housekeeping parameters found in this night, with who handled them."""
        return self._excursions

    @cached_property
    def _excursions(self) -> list[ExcursionRow]:
        with open_database(self.settings) as database:
            return excursions(database, instrument=self.record.instrument, night=self.record.night)

    @property
    def verdict(self) -> NightVerdict:
        """Whether the camera was well: what, how bad, since when, and what to do; shown as a box."""
        record = self.record
        if record.status == "running":  # its report is a part of the making
            record = record.model_copy(update={"status": "complete"})
        return NightVerdict(night_verdict(record, self.excursions), setup_language())

    @property
    def excursion_table(self) -> Table:
        """The excursions as a table."""
        return Table(
            ("number", "level", "parameter", "from (UTC)", "to (UTC)", "worst", "limit", "unit", "state"),
            [
                (
                    e.id,
                    e.level.name,
                    e.parameter,
                    _clock(e.start),
                    _clock(e.stop),
                    e.value,
                    e.limit,
                    unit_sign(e.unit),
                    _handled(e),
                )
                for e in self.excursions
            ],
            empty="No parameter left its limits.",
        )

    @property
    def packet_table(self) -> Table:
        """What became of the packets of each APID."""
        kinds = {k.apid: k.kind for k in self.instrument.packets.values()}
        return Table(
            ("APID", "what", "received", "lost", "duplicated", "out of order", "damaged", "counter"),
            [
                (
                    apid,
                    kinds.get(int(apid), "–"),
                    p.received,
                    p.lost,
                    p.duplicated,
                    p.out_of_order,
                    p.damaged,
                    counter_note(p),
                )
                for apid, p in sorted(self.record.packets.items(), key=lambda item: int(item[0]))
            ],
            empty="No packet.",
        )

    @property
    def skipped_table(self) -> Table:
        """Ranges of bytes that hold no packet."""
        return Table(("range",), [(text,) for text in self.record.skipped], empty="No foreign bytes.")

    @property
    def good_time_table(self) -> Table:
        """Good time by criterion; those without housekeeping have none."""
        means = {name: rule.description for name, rule in self.instrument.good_time.items()}
        means |= {TELEMETRY: "photon packets came without a gap", ALL: "all of them at once"}
        rows: list[tuple[str, str, object]] = [
            (name, means.get(name, ""), seconds) for name, seconds in self.record.good_time.items()
        ]
        rows += [(name, means.get(name, ""), "unknown") for name in self.record.unknown_criteria]
        return Table(("criterion", "what it says", "s"), rows, empty="No good time.")

    @property
    def alert_table(self) -> Table:
        """When the detector sent alerts."""
        rows = [(_clock(alert.time), alert.kind) for alert in self.record.alert_times]
        return Table(
            ("sent (UTC)", "packet"),
            rows,
            empty="The detector sent no alert.",
            folded=len(rows) > 10,
            caption="Alerts of the detector",
        )

    @property
    def runs(self) -> "NightRuns":
        """Runs of which the night is made, each with its label; shown as a table."""
        archive = RunArchive(self.settings.archive(self.record.instrument), self.record.instrument)
        return NightRuns.of(self.record, archive, self.instrument)

    @property
    def _facts(self) -> dict[str, str]:
        return night_facts(self.record, self.instrument, setup_texts())

    def __str__(self) -> str:
        facts, wide = self._facts, max(map(len, self._facts))
        lines = [self.record.headline_in(setup_texts()), *(f"failed: {one}" for one in self.record.failures)]
        return "\n".join(lines + [f"{name:<{wide}}  {fact}" for name, fact in facts.items()])

    def _repr_html_(self) -> str:
        texts = setup_texts()
        rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self._facts.items())
        failures = "".join(f"<li>{escape(f)}</li>" for f in self.record.failures)
        warning = (
            f"<p><strong>{escape(texts('not_all_done'))}</strong></p><ul>{failures}</ul>" if failures else ""
        )
        headline = escape(self.record.headline_in(texts))
        return f"<p><strong>{headline}</strong></p>{warning}<table>{rows}</table>"


def _clock(seconds: float) -> str:
    return str(to_time(seconds).utc.strftime("%Y-%m-%d %H:%M:%S"))


def _night_of_the_report(instrument: str, home: Settings | None) -> Path | None:
    """Folder of the night that a report is being made of; None where there is none, or another is wanted."""
    folder = Path(os.environ.get(NIGHT, ""))
    wanted = folder.name and home is None and instrument in ("", folder.parent.name)
    return folder if wanted else None


def _latest_night(settings: Settings, instrument: str) -> Path:
    root = settings.products(instrument)
    found = sorted(root.glob("*/night.json"))
    if not found:
        raise MissingDataError("no night has been run", file=root, advice=f"eic night -i {instrument}")
    return found[-1].parent


def _handled(row: ExcursionRow) -> str:
    """State of an excursion: new, or who acknowledged it and what was found."""
    if row.state is not ExcursionState.HANDLED:
        return str(row.state)
    return setup_texts()("acknowledged_by", by=row.handled_by, comment=row.comment or UNKNOWN)


def _database_url(home: Path) -> str | None:
    """Address of the database, where the night belongs to the set-up of this environment."""
    here = Settings.from_environment()
    return here.database_url if here.home == home else None
