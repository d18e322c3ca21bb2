"""The runs of a night: what they are called, and what became of those of configuration."""

from eicpy.errors import NotFoundError
from eicpy.instruments import Instrument
from eicpy.nights.record import NightRecord
from eicpy.runs import RunArchive, RunLabel, run_label
from eicpy.text import Texts

__all__ = ["configuration_words", "night_labels"]


def night_labels(
    record: NightRecord, archive: RunArchive, instrument: Instrument, *, count: bool = False
) -> list[RunLabel]:
    """Labels of the runs of a night; of one that was removed since, its number.

    Parameters
    ----------
    record
        The night.
    archive
        Where its runs are.
    instrument
        The detector.
    count
        Count packets where nobody has yet.
    """
    labels = []
    for number in record.runs:
        try:
            labels.append(run_label(archive.run(number), instrument, count=count))
        except NotFoundError:
            labels.append(RunLabel(number))
    return labels


def configuration_words(record: NightRecord, texts: Texts) -> str:
    """The rule for what came while the instrument was configured; empty for a night without it."""
    runs = record.configuration_runs
    if not runs:
        return ""
    numbers, aside = ", ".join(map(str, runs)), texts.number(record.packets_aside)
    return texts("configuration_rule", len(runs), runs=numbers, packets=aside)
