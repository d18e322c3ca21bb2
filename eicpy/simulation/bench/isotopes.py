"""Radioactive sources of the bench: energies and photons per decay of their main lines.

Energies and intensities are those of the Decay Data Evaluation Project (Table of Radionuclides, BIPM
Monographie 5), rounded; X-ray lines are grouped.
"""

from eicpy.errors import NotFoundError

__all__ = ["ISOTOPES", "lines_of"]

ISOTOPES: dict[str, tuple[tuple[float, float], ...]] = {
    "241Am": (
        (11.87, 0.0084), (13.94, 0.130), (17.75, 0.188), (20.82, 0.048), (26.34, 0.0231), (33.20, 0.0012),
        (59.54, 0.3592),
    ),
    "57Co": ((6.40, 0.503), (7.06, 0.068), (14.41, 0.0915), (122.06, 0.8549), (136.47, 0.1071)),
    "109Cd": ((22.10, 0.836), (24.99, 0.178), (88.03, 0.0366)),
    "133Ba": ((30.85, 0.963), (35.12, 0.226), (53.16, 0.0214), (79.61, 0.0263), (81.00, 0.333)),
}  # fmt: skip
"""Source → (energy in keV, photons per decay) of each line."""


def lines_of(name: str) -> tuple[tuple[float, float], ...]:
    """Lines of a source.

    Raises
    ------
    BadArgumentError
        For a source that is not known.
    """
    if name not in ISOTOPES:
        raise NotFoundError(f"got source {name!r}, expected one of {', '.join(ISOTOPES)}")
    return ISOTOPES[name]
