"""The products, declared.

Real layouts: ECL-EVT-CAL and ECL-GTI-CAL as described from flight-layout files by the public code
matteobachetti/barycenter; DETNUM, GAIN, OFFSET of AUX-ECL-PIX-CAL as written by the public code
sguillot/SVOM-Gain-Offset. Everything marked "own" is eicpy's, to be replaced when the real format is known.
"""

import re
from datetime import date
from pathlib import Path

from eicpy.errors import BadArgumentError, ConflictError, NotFoundError
from eicpy.products.definitions import Column, ProductDefinition, TableDefinition, canonical_card

__all__ = ["PRODUCTS", "declare", "definition", "parse_product_file_name", "product_file_name"]

_START = Column("START", "D", "s", "start of a good time interval")
_STOP = Column("STOP", "D", "s", "end of a good time interval")
_DETNUM = Column("DETNUM", "I", "", "pixel number, 0 to the number of pixels − 1")

_BANDS = TableDefinition(
    "BANDS",
    "energy bands; band n is COUNTS_n",
    (
        Column("BAND", "I", "", "number of the band, from 1", own=True),
        Column("E_MIN", "D", "keV", "lower edge, included", own=True),
        Column("E_MAX", "D", "keV", "upper edge, excluded", own=True),
    ),
    own=True,
)

PROVENANCE_TABLE = TableDefinition(
    "PROVENANCE",
    "how the file was made; one JSON value a row",
    (
        Column("KEY", "A", "", "field of the record; `input` comes once for each input", own=True),
        Column("VALUE", "A", "", "its value as JSON", own=True),
    ),
    own=True,
)

_EVENTS = ProductDefinition(
    "ECL-EVT-CAL",
    "calibrated photons",
    (
        TableDefinition(
            "EVENTS",
            "one row a photon, nearly sorted by time",
            (
                Column("TIME", "D", "s", "arrival time"),
                Column("JDET", "B", "", "column of the pixel, along −y"),
                Column("IDET", "B", "", "row of the pixel, along +z"),
                Column("PHA", "I", "chan", "channel as measured"),
                Column(
                    "PI",
                    "I",
                    "chan",
                    "channel on the nominal scale: floor((E − offset)/gain), nominal values in the header; "
                    "−1 where there is none, FLAG says why",
                ),
                Column(
                    "FLAG",
                    "B",
                    "",
                    "eicpy: bits 0–3 number of pixels hit at once (15: or more), 4 PHA out of range, "
                    "5 below and 6 above the channels of PI, 7 pixel without a scale; its real meaning is "
                    "not public",
                ),
            ),
            flight_name="ECL-EVT-CAL",
            ogip=("EVENTS", "ALL"),
        ),
        TableDefinition(
            "GTI",
            "good time intervals of the photons",
            (_START, _STOP),
            own=True,
            required=False,
            ogip=("GTI", "STANDARD"),
        ),
    ),
    "Columns and keywords are real. The scale of PI, the bits of FLAG (FLAGMULT, FLAGBITn) and the GTI "
    "extension are eicpy's. The table of photons is called EVENTS, which other software looks for; in flight "
    "files it is called ECL-EVT-CAL (here HDUNAME), and is read under either name.",
)

_GTI = ProductDefinition(
    "ECL-GTI-CAL",
    "good time intervals by criterion",
    (
        TableDefinition(
            "ECL-GTI-CAL-GRP",
            "the criteria that follow, one row each",
            (
                Column("MEMBER_XTENSION", "A", "", "kind of the extension: BINTABLE"),
                Column("MEMBER_NAME", "A", "", "name of the extension"),
                Column("GTI_NAME", "A", "", "criterion"),
            ),
        ),
        TableDefinition(
            "GTICAL-",
            "intervals of a criterion: NSA outside the SAA, STA stable attitude, TLM telemetry, "
            "NEO no Earth occultation (PEO partial, TEO total); eicpy's: HV high voltage up, "
            "ALL every criterion of the file at once",
            (
                _START,
                _STOP,
                Column(
                    "SJDSTART", "D", "d", "START in days; the real definition is not public", required=False
                ),
                Column(
                    "SJDSTOP", "D", "d", "STOP in days; the real definition is not public", required=False
                ),
            ),
            several=True,
            ogip=("GTI", "STANDARD"),
        ),
    ),
    "Layout real; the reading of the criteria and of SJDSTART, SJDSTOP is eicpy's.",
)

_GAIN = ProductDefinition(
    "AUX-ECL-PIX-CAL",
    "gain and offset of each pixel",
    (
        TableDefinition(
            "AUX-ECL-PIX-CAL",
            "E = GAIN·(channel + 0.5) + OFFSET",
            (
                _DETNUM,
                Column("GAIN", "E", "keV/chan", "gain"),
                Column("OFFSET", "E", "keV", "offset"),
                Column("GAIN_ERR", "E", "keV/chan", "standard error of GAIN", own=True, required=False),
                Column("OFFSET_ERR", "E", "keV", "standard error of OFFSET", own=True, required=False),
                Column(
                    "COVARIANCE",
                    "E",
                    "keV**2/chan",
                    "covariance of GAIN and OFFSET",
                    own=True,
                    required=False,
                ),
                Column(
                    "STATUS", "I", "", "outcome of the fit; codes in the header", own=True, required=False
                ),
                Column("DEVIANCE", "E", "", "Poisson deviance of the fit", own=True, required=False),
                Column("DOF", "J", "", "degrees of freedom of the fit", own=True, required=False),
                Column(
                    "SIGNIFICANCE",
                    "E",
                    "",
                    "deviance in standard deviations of what a right model has at these counts",
                    own=True,
                    required=False,
                ),
                Column("COUNTS", "J", "count", "photons used", own=True, required=False),
                Column(
                    "TFIT",
                    "D",
                    "s",
                    "middle of the data behind GAIN and OFFSET; older than TREF where they were kept",
                    own=True,
                    required=False,
                ),
            ),
        ),
    ),
    "DETNUM, GAIN, OFFSET are real; errors, covariance and status are eicpy's.",
)

_STATUS = ProductDefinition(
    "AUX-ECL-PIX-STA",
    "status of each pixel",
    (
        TableDefinition(
            "AUX-ECL-PIX-STA",
            "candidates for dead, noisy and weak pixels",
            (
                _DETNUM,
                Column("STATUS", "I", "", "status; codes in the header", own=True),
                Column("RATE", "E", "count/s", "measured rate", own=True, required=False),
                Column("EXPECTED", "E", "count/s", "expected rate", own=True, required=False),
                Column(
                    "SIGNIFICANCE",
                    "E",
                    "",
                    "largest departure in any band, in standard deviations",
                    own=True,
                    required=False,
                ),
                Column("STATUS_#", "I", "", "status from band # alone", own=True, required=False),
                Column("RATE_#", "E", "count/s", "measured rate in band #", own=True, required=False),
                Column("EXPECTED_#", "E", "count/s", "expected rate in band #", own=True, required=False),
                Column(
                    "SIGNIFICANCE_#",
                    "E",
                    "",
                    "departure in band #, in standard deviations",
                    own=True,
                    required=False,
                ),
            ),
        ),
    ),
    "The name is real; no public format was found, so the columns are eicpy's. Cards of the header give, for "
    "each band n, its limits (EMINn, EMAXn, keV), the scatter of good pixels (SCATTERn), the multiples of "
    "the expected counts at which half of the pixels are named (LOSSn, EXCESSn), and whether half or twice "
    "the counts would be missed (BLINDn).",
)

_BAND_LIMITS = ProductDefinition(
    "AUX-ECL-BND-CAL",
    "limits of the energy bands",
    (
        TableDefinition(
            "AUX-ECL-BND-CAL",
            "limits in energy, and the channels that the energy scale in use puts there",
            (
                Column("BAND", "I", "", "number of the band, from 1", own=True),
                Column("E_MIN", "D", "keV", "lower limit, included", own=True),
                Column("E_MAX", "D", "keV", "upper limit, excluded", own=True),
                Column("PHA_MIN", "I", "chan", "first channel of the band, median of the pixels", own=True),
                Column(
                    "PHA_MAX", "I", "chan", "first channel beyond the band, median of the pixels", own=True
                ),
                Column(
                    "PHA_SPREAD",
                    "E",
                    "chan",
                    "half the width of the middle 68 % of the pixels, of the limit where they differ more",
                    own=True,
                ),
            ),
            own=True,
        ),
    ),
    "The name is real; no public format was found, so the columns are eicpy's.",
)

_SPECTRA = ProductDefinition(
    "ECL-QLK-SPC",
    "spectra of each pixel",
    (
        TableDefinition(
            "ECL-QLK-SPC",
            "counts per channel as measured (PHA)",
            (
                _DETNUM,
                Column("LIVETIME", "D", "s", "good time less the dead time of its sector", own=True),
                Column("SPECTRUM", "J", "count", "counts per channel, from channel 0", own=True, vector=True),
            ),
            own=True,
        ),
    ),
    "eicpy's quick look.",
    own=True,
)

_LIGHT_CURVE = ProductDefinition(
    "ECL-QLK-LCV",
    "light curves in bands",
    (
        TableDefinition(
            "ECL-QLK-LCV",
            "counts of the whole detector in time bins; TIMEDEL is their width, TIMEPIXR 0: TIME is where "
            "they begin",
            (
                Column("TIME", "D", "s", "start of the bin", own=True),
                Column("EXPOSURE", "D", "s", "good time in the bin", own=True),
                Column("LIVETIME", "D", "s", "good time in the bin less dead time", own=True, required=False),
                Column("COUNTS_#", "J", "count", "counts in band #", own=True),
            ),
            own=True,
            ogip=("LIGHTCURVE", "TOTAL", "COUNT"),
        ),
        _BANDS,
    ),
    "eicpy's quick look.",
    own=True,
)

_IMAGES = ProductDefinition(
    "ECL-QLK-DPI",
    "detector images in bands",
    (
        TableDefinition(
            "ECL-QLK-DPI",
            "counts of each pixel in bands",
            (
                _DETNUM,
                Column("JDET", "B", "", "column of the pixel, along −y", own=True),
                Column("IDET", "B", "", "row of the pixel, along +z", own=True),
                Column(
                    "LIVETIME",
                    "D",
                    "s",
                    "good time less the dead time of its sector",
                    own=True,
                    required=False,
                ),
                Column("COUNTS_#", "J", "count", "counts in band #", own=True),
            ),
            own=True,
        ),
        _BANDS,
    ),
    "eicpy's quick look.",
    own=True,
)

_ONBOARD = ProductDefinition(
    "ECL-QLK-OBS",
    "spectra accumulated on board",
    (
        TableDefinition(
            "ECL-QLK-OBS",
            "one row for each spectrum received",
            (
                Column("TIME", "D", "s", "time of the packet", own=True),
                _DETNUM,
                Column("LIVETIME", "D", "s", "live time from the instrument", own=True, required=False),
                Column("SPECTRUM", "J", "count", "counts per bin", own=True, vector=True),
            ),
            own=True,
        ),
    ),
    "eicpy's quick look.",
    own=True,
)

_ATTITUDE = ProductDefinition(
    "SVO-ATT-CNV",
    "attitude of the satellite",
    (
        TableDefinition(
            "SVO-ATT-CNV",
            "one row for each quaternion",
            (
                Column("TIME", "D", "s", "time of the attitude", own=True),
                Column(
                    "QUATERNION",
                    "D",
                    "",
                    "scalar, x, y, z of the rotation from ICRS to the axes of the satellite",
                    own=True,
                    vector=True,
                ),
                Column("QUALITY", "B", "", "0: not to be used", own=True, required=False),
            ),
        ),
    ),
    "The card is real; no public format was found, so the columns are eicpy's.",
)

_ORBIT = ProductDefinition(
    "SVO-ORB-CNV",
    "orbit of the satellite",
    (
        TableDefinition(
            "SVO-ORB-CNV",
            "one row a second",
            (
                Column("TIME", "D", "s", "time of the position"),
                Column("ORBIT_ID", "I", "", "number of the orbit", required=False),
                Column("POSITION", "E", "m", "x, y, z, inertial equatorial frame of J2000", vector=True),
                Column(
                    "POSITION_SPHERICAL",
                    "E",
                    "",
                    "longitude and latitude (deg) and altitude (m); eicpy's are geocentric, over a sphere of "
                    "6371 km",
                    required=False,
                    vector=True,
                ),
                Column("VELOCITY", "E", "m/s", "x, y, z, the same frame", vector=True),
                Column("FLAG_PVT", "B", "", "quality; eicpy writes 1", required=False),
                Column("ORIGIN", "B", "", "where the position comes from; eicpy writes 0", required=False),
            ),
        ),
    ),
    "Columns are real; what FLAG_PVT and ORIGIN mean and the units of POSITION_SPHERICAL are not public.",
)

PRODUCTS: dict[str, ProductDefinition] = {
    product.card: product
    for product in (
        *(_EVENTS, _GTI, _GAIN, _STATUS, _BAND_LIMITS, _SPECTRA, _LIGHT_CURVE, _IMAGES, _ONBOARD),
        *(_ATTITUDE, _ORBIT),
    )
}
"""Every product by its card."""


def declare(product: ProductDefinition) -> ProductDefinition:
    """Add a product of another package; one that is declared already is left as it is.

    Raises
    ------
    ConflictError
        For a card that stands for another product already.
    """
    if PRODUCTS.setdefault(product.card, product) != product:
        raise ConflictError(f"got another declaration of {product.card}, expected a card of its own")
    return product


def definition(card: str) -> ProductDefinition:
    """Declaration of a product; `card` may carry any instrument's prefix.

    Raises
    ------
    NotFoundError
        For a card that is not declared.

    See Also
    --------
    canonical_card : A card without the prefix of an instrument.
    read_product : Reads a file and compares it with its declaration.

    Examples
    --------
    >>> definition("AUX-MDA-PIX-CAL").title
    'gain and offset of each pixel'
    """
    found = PRODUCTS.get(canonical_card(card) or "")
    if found is None:
        raise NotFoundError(f"got card {card!r}, expected one of {', '.join(PRODUCTS)} (or another prefix)")
    return found


_NAME = re.compile(r"(?P<card>[A-Z0-9-]+)-(?P<day>\d{8})(?P<letter>[A-Z])(?P<version>\d{2})\.fits")


def product_file_name(card: str, day: date, letter: str, version: int) -> str:
    """File name of a product: card-YYYYMMDDxNN.fits.

    Parameters
    ----------
    card
        Card, with the instrument's prefix.
    day
        Day from which the product is valid.
    letter
        One capital letter; Q, T and F are seen in real names, their meaning (qualification, test,
        flight) is a guess.
    version
        0 to 99.

    Raises
    ------
    BadArgumentError
        For a card that is not declared, a letter that is not one or a version out of range.

    See Also
    --------
    parse_product_file_name : The reverse.

    Examples
    --------
    >>> product_file_name("AUX-ECL-PIX-CAL", date(2022, 10, 11), "F", 1)
    'AUX-ECL-PIX-CAL-20221011F01.fits'
    """
    definition(card)
    if re.fullmatch("[A-Z]", letter) is None:
        raise BadArgumentError(f"got letter {letter!r}, expected one capital letter")
    if not 0 <= version <= 99:
        raise BadArgumentError(f"got version {version}, expected 0 to 99")
    return f"{card}-{day:%Y%m%d}{letter}{version:02d}.fits"


def parse_product_file_name(name: str | Path) -> tuple[str, date, str, int]:
    """Card, day, letter and version of a product's file name.

    Raises
    ------
    BadArgumentError
        For a name that does not follow the rule.
    """
    file_name = Path(name).name
    match = _NAME.fullmatch(file_name)
    expected = "expected card-YYYYMMDDxNN.fits such as AUX-ECL-PIX-CAL-20221011F01.fits"
    if match is None:
        raise BadArgumentError(f"got file name {file_name!r}, {expected}")
    try:
        day = date.fromisoformat(match["day"])
    except ValueError as error:
        raise BadArgumentError(f"got file name {file_name!r}, {expected}: {error}") from error
    return match["card"], day, match["letter"], int(match["version"])
