"""The page that describes the products, made from their declarations.

``docs/products.md`` is this page; a test compares the two. To update it, write what
:func:`describe_products` returns into that file.
"""

from eicpy.products.declarations import PRODUCTS, PROVENANCE_TABLE
from eicpy.products.definitions import Column, ProductDefinition, TableDefinition

__all__ = ["describe_products"]

_HEAD = """# Products

Every file that eicpy writes for others is a FITS file declared once in `eicpy/products/declarations.py`;
the writer, the reader, this page and the tests follow the declaration. A test keeps this page in step
with it.

**Names.** A file is called card-YYYYMMDDxNN.fits: the card, the day from which it is valid, a letter (Q,
T and F are seen in real names; qualification, test, flight is a guess) and a version. Cards are written
here with the prefix of ECLAIRs; another instrument puts its own `card_prefix` in place of ECL
(AUX-ECL-PIX-CAL, AUX-MDA-PIX-CAL). Cards with SVO belong to the satellite.

**Times** are seconds of Terrestrial Time since 2017-01-01T00:00:00 UTC (MJDREFI 57754, MJDREFF
0.000800740741); dates (DATE-OBS, DATE-END) are in TT too, as TIMESYS says. In photon files of other
makers MJDREF, MJDREFI and MJDREFF, JDREF, DATEREF, TIMESYS (TT, TAI, UTC, TDB), TIMEUNIT, TUNIT, TIMEZERO
(TIMEZERI, TIMEZERF), TIMEOFFS and TZERO are honoured, photons may stand in any order, and good time is
that of GTI, STDGTI or an extension whose name begins so; what cannot be known is refused, with the keyword
([decision 27](decisions/0027-files-of-the-world.md)).
**Pixels** are numbered by DETNUM = IDET·columns + JDET, from 0; IDET counts along +z, JDET along −y.
**Bands** include their lower edge and exclude their upper one.

**ours** marks what the real product does not have, or is not known to have: tables and columns that
eicpy added, to be replaced when the real format is public. A file without them is read all the same.

Every unit carries ORIGIN, TELESCOP, INSTRUME, CREATOR, PROC_VER, CARD, TIMEREF, TIMESYS, TIMEUNIT,
MJDREFI, MJDREFF, DATEREF, CLOCKCOR (F: the on-board clock is taken as perfect), RADESYS, DATE, DATASUM and
CHECKSUM; **SIMULATE** (T for simulated data) stands in each where it is known. The first header also carries
PROV_ID, PROV_ACT, PROVSTRT, PROVSTOP, SWCOMMIT, SWDIRTY, NINPUTS and **CALSTAT** (the corrections already
applied, so that none is applied twice). Photons, good time and light curves carry HDUCLASS (OGIP), TSTART,
TSTOP, DATE-OBS, DATE-END, TELAPSE, ONTIME (good time), LIVETIME (good time less dead time), DEADC, EXPOSURE
and DEADAPP (F: the dead time is not known, EXPOSURE is the good time); counts are never corrected for dead
time. MULTIPLE says how photons that hit several pixels at once are counted: single (left out: the spectra),
combine (once, with their whole energy: images and light curves) or all (every event: photon files). Photons
and light curves also carry TIMEDEL and TIMEPIXR; photons TLMIN and TLMAX of PHA and PI, and all products of a
night OBS_ID, PROGRAM, DSTREAM, RA_PNT, DEC_PNT, PA_PNT where these are known. A keyword that nobody knows is
left out. The table PROVENANCE at the end of each file holds the whole
record: inputs with their SHA-256, versions, configuration.
"""


def describe_products() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    parts += [_product(product) for product in PRODUCTS.values()]
    parts.append("## In every product\n\n" + _table(PROVENANCE_TABLE))
    return "\n".join(parts)


def _product(product: ProductDefinition) -> str:
    mark = " (ours)" if product.own else ""
    tables = "\n".join(_table(table) for table in product.tables)
    return f"## {product.card}: {product.title}{mark}\n\n{product.note}\n\n{tables}"


def _table(table: TableDefinition) -> str:
    marks = [text for text, holds in (("ours", table.own), ("may be absent", not table.required)) if holds]
    name = f"{table.name}…" if table.several else table.name
    suffix = f" ({', '.join(marks)})" if marks else ""
    rows = "\n".join(_row(column) for column in table.columns)
    return (
        f"### {name}{suffix}\n\n{table.description}.\n\n"
        f"| column | format | unit | | what |\n|---|---|---|---|---|\n{rows}\n"
    )


def _row(column: Column) -> str:
    marks = [text for text, holds in (("ours", column.own), ("optional", not column.required)) if holds]
    form = f"n{column.format}" if column.vector or column.format == "A" else column.format
    unit = column.unit.replace("|", "\\|")
    return f"| {column.name} | {form} | {unit} | {', '.join(marks)} | {column.description} |"
