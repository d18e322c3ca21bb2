"""What a report says of a night besides its figures: the facts, and the runs of which it is made."""

from collections.abc import Sequence
from dataclasses import dataclass

from eicpy.calibration.table import calibration_tables
from eicpy.instruments import Instrument
from eicpy.nights.record import NightRecord
from eicpy.nights.runs import configuration_words, night_labels
from eicpy.reports.tables import Table, paragraph
from eicpy.runs import LABEL_HEADS, RunArchive, RunLabel
from eicpy.text import Texts, setup_texts

__all__ = ["NightRuns", "night_facts", "origin_words"]


def night_facts(record: NightRecord, instrument: Instrument, texts: Texts) -> dict[str, str]:
    """Write the facts of a night, by their names.

    Parameters
    ----------
    record
        The night.
    instrument
        The detector.
    texts
        Language.
    """
    good = [f"{texts.figures(record.exposure, 5)} s"]
    if record.outside:
        good.append(texts("photons_outside", record.outside, count=texts.number(record.outside)))
    if record.unknown_criteria:
        good.append(texts("no_housekeeping_for", criteria=", ".join(record.unknown_criteria)))
    used = {
        texts.translated(table.title): record.tables[card].used or texts("nominal_scale")
        for card, table in calibration_tables(instrument).items()
        if table.released and card in record.tables
    }
    return {
        texts("fact_detector"): instrument.title,
        texts("fact_note"): texts.translated(instrument.note),
        texts("fact_from"): f"{record.start[:19].replace('T', ' ')} UTC",
        texts("fact_to"): f"{record.stop[:19].replace('T', ' ')} UTC",
        texts("fact_good_time"): texts("semicolon").join(good),
        texts("fact_data"): origin_words(simulated=record.simulated, texts=texts),
        **used,
    }


def origin_words(*, simulated: bool | None, texts: Texts) -> str:
    """Whether data are simulated, in a word."""
    return texts({True: "origin_simulated", False: "origin_measured", None: "origin_unknown"}[simulated])


@dataclass(frozen=True)
class NightRuns:
    """The runs of a night.

    Parameters
    ----------
    labels
        One a run.
    rule
        What became of those in which the instrument was configured; empty where there is none.
    """

    labels: Sequence[RunLabel]
    rule: str

    @classmethod
    def of(cls, record: NightRecord, archive: RunArchive, instrument: Instrument) -> "NightRuns":
        """Collect them.

        Parameters
        ----------
        record, archive, instrument
            As for :func:`night_labels`.
        """
        labels = night_labels(record, archive, instrument, count=True)
        return cls(labels, configuration_words(record, setup_texts()))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def table(self) -> Table:
        """Their labels as a table."""
        texts = setup_texts()
        rows = [label.cells(texts) for label in self.labels]
        return Table([texts(key) for key in LABEL_HEADS], rows, empty="No run.")

    def __str__(self) -> str:
        return "\n".join([str(self.table), self.rule]).rstrip()

    def _repr_html_(self) -> str:
        return self.table._repr_html_() + (paragraph(self.rule) if self.rule else "")
