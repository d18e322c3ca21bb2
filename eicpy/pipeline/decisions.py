"""Which calibration table is in force, and who decides it.

A night proposes a table; a person accepts or rejects it. A night is calibrated with the accepted table
of the latest validity day before its own, so that the table made from a night serves the nights that
follow and never itself. Without one the nominal scale of the instrument is used, and the products say so.
"""

from pathlib import Path

from eicpy.calibration import GainTable
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import Instrument
from eicpy.operations import Database, ReleaseState, decide_release, open_database, releases
from eicpy.products import card_for, parse_product_file_name, read_product, reading
from eicpy.settings import Settings
from eicpy.times import day_of

__all__ = ["GAIN_CARD", "decide", "gain_in_force", "read_gain"]

GAIN_CARD = "AUX-ECL-PIX-CAL"


def gain_in_force(database: Database, instrument: Instrument, start: float) -> tuple[GainTable, Path | None]:
    """Give the gain table for data that begin at a time.

    Parameters
    ----------
    database
        The internal database.
    instrument
        The detector.
    start
        Begin of the data, s.

    Returns
    -------
    table : GainTable
        The accepted table, or the nominal one.
    file : pathlib.Path or None
        Its file; None for the nominal one.
    """
    card = card_for(GAIN_CARD, instrument.card_prefix)
    accepted = [
        (parse_product_file_name(r.file)[1], r.decided_at, Path(r.file))
        for r in releases(database, instrument=instrument.name, state=ReleaseState.ACCEPTED)
        if r.card == card
    ]
    earlier = [entry for entry in accepted if entry[0] < day_of(start)]
    if not earlier:
        scale = instrument.energy
        return GainTable.nominal(instrument.pixels.count, scale.gain, scale.offset), None
    file = max(earlier)[2]
    return read_gain(file, instrument), file


def read_gain(file: Path, instrument: Instrument) -> GainTable:
    """Read a product AUX-…-PIX-CAL.

    Raises
    ------
    BadDataError
        For a file that is none, or is of another detector.
    """
    table = read_product(file, GAIN_CARD).main
    with reading("a gain table", file):
        gain = GainTable.from_columns(table.columns, reference_time=float(table.header.get("TREF") or "nan"))
    if len(gain) != instrument.pixels.count:
        raise BadDataError(
            f"got a table of {len(gain)} pixels, expected {instrument.pixels.count} of {instrument.name}",
            file=file,
        )
    return gain


def decide(file: Path, settings: Settings, *, accepted: bool, by: str, comment: str = "") -> str:
    """Accept or reject a table that was proposed.

    Parameters
    ----------
    file
        The table: its path, or its file name alone.
    settings
        The set-up.
    accepted
        True to accept.
    by, comment
        Who, and why.

    Returns
    -------
    str
        What was done, in a sentence.

    Raises
    ------
    BadArgumentError
        For a table that was never proposed; the message lists those that were.
    """
    state = ReleaseState.ACCEPTED if accepted else ReleaseState.REJECTED
    with open_database(settings) as database:
        proposed = releases(database)
        found = [r for r in proposed if file.name == Path(r.file).name]
        if len(found) > 1:
            found = [r for r in found if Path(r.file) == file.absolute()]
        if len(found) != 1:
            known = ", ".join(f"{Path(r.file).name} ({r.state})" for r in proposed) or "none yet"
            raise BadArgumentError(f"got table {file}, expected one that a night proposed: {known}")
        release = decide_release(database, found[0].id, state, by=by, comment=comment)
    effect = "the nights after it will use it" if accepted else "it is kept and not used"
    return f"{Path(release.file).name} of {release.instrument} {state} by {by}: {effect}"
