"""What an observation is called, and where the instrument looked: keywords that only its planner knows."""

import math
from dataclasses import dataclass

from eicpy.errors import BadArgumentError
from eicpy.products.headers import Header

__all__ = ["PROGRAMS", "STREAMS", "Observation"]

PROGRAMS = (
    "CoreProgram", "GeneralProgram", "TargetOfOpportunity-Ex", "TargetOfOpportunity-Nom",
    "TargetOfOpportunity-MM", "Calibration", "B1Law", "Others", "All", "n.a.",
)  # fmt: skip
"""Values of PROGRAM in the mission's product cards."""
STREAMS = ("VHF", "XVHF", "XBand", "Fpoc", "Calib", "Ancillary", "GFT", "Science")
"""Values of DSTREAM in the mission's product cards."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Keywords of an observation; what is not known is left out of the files.

    Parameters
    ----------
    obs_id
        ``OBS_ID``.
    program
        ``PROGRAM``, one of `PROGRAMS`.
    stream
        ``DSTREAM``, by which way the data came, one of `STREAMS`.
    pointing
        Right ascension and declination of the line of sight and position angle, ICRS, degrees; None where
        it is not known or moved.

    Raises
    ------
    BadArgumentError
        For a value that the mission does not have, or no direction.

    Examples
    --------
    >>> Observation(pointing=(83.63, 22.01, 0.0)).to_header()["RA_PNT"]
    (83.63, 'deg, right ascension of the line of sight')
    """

    obs_id: str = ""
    program: str = ""
    stream: str = ""
    pointing: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        for keyword, value, known in (
            ("PROGRAM", self.program, PROGRAMS),
            ("DSTREAM", self.stream, STREAMS),
        ):
            if value and value not in known:
                raise BadArgumentError(f"got {keyword} {value!r}, expected one of {', '.join(known)}")
        if self.pointing is not None:
            ra, dec, angle = self.pointing
            if not (0 <= ra < 360 and abs(dec) <= 90 and math.isfinite(angle)):
                raise BadArgumentError(
                    f"got pointing {self.pointing}, expected RA 0 to 360, Dec -90 to 90 and an angle, degrees"
                )

    def to_header(self) -> Header:
        """Keywords for a product's header."""
        cards: dict[str, tuple[str | float, str]] = {}
        for keyword, text, comment in (
            ("OBS_ID", self.obs_id, "observation"),
            ("PROGRAM", self.program, "program of the observation"),
            ("DSTREAM", self.stream, "way by which the data came"),
        ):
            if text:
                cards[keyword] = (text, comment)
        if self.pointing is not None:
            names = ("RA_PNT", "DEC_PNT", "PA_PNT")
            words = ("right ascension", "declination", "position angle")
            for name, value, word in zip(names, self.pointing, words, strict=True):
                cards[name] = (float(value), f"deg, {word} of the line of sight")
        return cards
