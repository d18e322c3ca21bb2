"""What the gain report says in words, computed from the tables and the database."""

from pathlib import Path

from eicpy.calibration import GainTable, pass_fraction
from eicpy.operations import Database, releases
from eicpy.pipeline.record import NightRecord
from eicpy.pipeline.tables import Sentence

__all__ = ["gain_decision", "gain_headline"]


def gain_headline(table: GainTable | None, record: NightRecord) -> Sentence:
    """Say how many pixels were fitted and how many meet the requirement.

    Parameters
    ----------
    table
        The new table; None where there is none.
    record
        The night.
    """
    if table is None:
        reason = record.gain.message if record.gain and record.gain.message else "no fit was made"
        return Sentence(f"No new table for this night: {reason}.")
    good, all_pixels = int(table.good.sum()), len(table)
    passed = pass_fraction(table)
    return Sentence(
        f"{good} of {all_pixels} pixels fitted, {all_pixels - good} keep their last value; "
        f"{100 * passed.all_energies:.1f} % meet the requirement at all of "
        f"{', '.join(f'{E:g}' for E in passed.energies)} keV (statistical error)."
    )


def gain_decision(database: Database, record: NightRecord) -> Sentence:
    """Say what was decided about the table of a night, and how to decide it."""
    if record.gain is None or not record.gain.product:
        return Sentence("There is nothing to decide.")
    name = Path(record.gain.product).name
    for release in releases(database, instrument=record.instrument):
        if Path(release.file).name == name and release.night == record.night and release.decided_at:
            why = f" ({release.comment})" if release.comment else ""
            when = f"{release.decided_at:%Y-%m-%d %H:%M} UTC"
            return Sentence(f"{name}: {release.state} by {release.decided_by} on {when}{why}.")
    return Sentence(
        f"{name} is proposed. To decide: eic accept {name}   or   eic reject {name} --comment WHY"
    )
