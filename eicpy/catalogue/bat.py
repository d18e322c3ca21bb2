"""The 105-month catalogue of Swift/BAT as it is published: a text table with columns between bars.

Oh et al. 2018, ApJS 235, 4. The table is not part of eicpy; whoever has it reads it with this.
"""

from pathlib import Path

from eicpy.catalogue.catalogue import CatalogueSource, SourceCatalogue, text_lines
from eicpy.errors import BadDataError

__all__ = ["read_bat_catalogue"]

_HEADS = {
    "number": "ID",
    "survey": "BAT_NAME",
    "ra": "RA",
    "dec": "DEC",
    "counterpart": "COUNTERPART_NAME",
    "other": "OTHER_NAME",
    "counterpart_ra": "CTPT_RA",
    "counterpart_dec": "CTPT_DEC",
    "flux": "FLUX",
    "index": "GAMM",
    "kind": "TYPE",
}
_REFERENCE = "Oh et al. 2018, ApJS 235, 4, row {}"


def read_bat_catalogue(file: Path) -> SourceCatalogue:
    """Read the published table.

    Parameters
    ----------
    file
        ``BAT_105m_catalog_….txt``: a line of heads, a line of units, a line a source.

    Returns
    -------
    SourceCatalogue
        Names and places of the counterparts where they are known, those of the survey otherwise. A
        counterpart that comes more than once keeps its name the first time only.

    Raises
    ------
    MissingDataError
        For a file that does not exist.
    BadDataError
        For a table without one of the columns, or with a value that is no number.
    """
    file = Path(file)
    lines = text_lines(file, "a text table")
    heads = [head.strip() for head in lines[0].split("|")] if lines else []
    missing = [head for head in _HEADS.values() if head not in heads]
    if missing:
        raise BadDataError(
            f"got no column {', '.join(missing)}, expected the 105-month table of BAT", file=file
        )
    at = {key: heads.index(head) for key, head in _HEADS.items()}
    sources: list[CatalogueSource] = []
    names: set[str] = set()
    for number, line in enumerate(lines[2:], start=3):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("|")]
        try:
            row = {key: cells[position] for key, position in at.items()}
            name = row["counterpart"] or row["other"] or row["survey"]
            name = row["survey"] if name in names else name
            if name in names:
                name = f"{name} ({row['number']})"
            names.add(name)
            sources.append(
                CatalogueSource(
                    name,
                    row["kind"] or "unknown",
                    float(row["counterpart_ra"] or row["ra"]),
                    float(row["counterpart_dec"] or row["dec"]),
                    float(row["flux"] or 0.0) * 1e-12,
                    float(row["index"] or "nan"),
                    _REFERENCE.format(row["number"]),
                )
            )
        except (IndexError, ValueError) as error:
            raise BadDataError(f"line {number}: {error}", file=file) from error
    return SourceCatalogue("Swift/BAT, 105 months", sources)
