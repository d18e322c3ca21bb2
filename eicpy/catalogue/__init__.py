"""X-ray sources: catalogues of what shines in the sky, and spectra."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.catalogue.bat import read_bat_catalogue
    from eicpy.catalogue.catalogue import (
        CATALOGUES,
        CatalogueSource,
        SourceCatalogue,
        load_catalogue,
        read_catalogue,
    )
    from eicpy.catalogue.spectrum import Spectrum, absorption, typical_spectrum
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "CATALOGUES",
    "CatalogueSource",
    "SourceCatalogue",
    "Spectrum",
    "absorption",
    "load_catalogue",
    "read_bat_catalogue",
    "read_catalogue",
    "typical_spectrum",
]
