"""Make ``eicpy/catalogue/hard-x-ray.csv`` from a copy of the 105-month table of Swift/BAT.

    python scripts/make_catalogue.py BAT_105m_catalog_07jul2019.txt

The table itself does not come with eicpy; the facts of its hundred brightest sources do, each with its row.
"""
# ruff: noqa: INP001 - a script beside the package

import csv
import io
import sys
from pathlib import Path

from eicpy.catalogue import read_bat_catalogue

_HEAD = """# hard X-ray sources: the hundred brightest in 14-195 keV, means of 105 months
# A format of eicpy. flux_14_195 in 1e-12 erg cm-2 s-1, photon_index of a power law in 14-195 keV.
"""
_BRIGHTEST = 100


def main(table: Path) -> None:
    """Write the catalogue."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["name", "kind", "ra_deg", "dec_deg", "flux_14_195", "photon_index", "reference"])
    for source in read_bat_catalogue(table).sources[:_BRIGHTEST]:
        place = (f"{source.ra:.4f}", f"{source.dec:.4f}")
        flux = (f"{source.flux * 1e12:.2f}", f"{source.index:.2f}")
        rows.writerow([source.name, source.kind, *place, *flux, source.reference])
    out = Path(__file__).resolve().parents[1] / "eicpy" / "catalogue" / "hard-x-ray.csv"
    out.write_text(_HEAD + text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
