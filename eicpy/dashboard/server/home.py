"""The index of the nights as a home page: rendered for each reader, with the verdict of now.

The newest data are read in a thread of its own. A reader waits no longer than :data:`LONGEST_WAIT` for it;
where not all was read by then, the verdict says how much.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

from eicpy.acquisition.status.overview import OverviewReader
from eicpy.errors import EicpyError
from eicpy.health import Reading, Verdict
from eicpy.instruments import available, load
from eicpy.nights import Home, render_index
from eicpy.runs import RunArchive
from eicpy.settings import Settings

__all__ = ["HomePage"]

READING_TIME = 1.0
"""Time for which the data of an instrument are read on between two verdicts, s."""
LONGEST_LOOK = 30.0
"""Longest time to read on after somebody has looked, s."""
LONGEST_WAIT = 4.0
"""s; the first look of a server loads what decodes the data."""
_READING = Verdict(reading=Reading(0, 0))


class HomePage:
    """The home page of a set-up.

    Parameters
    ----------
    settings
        The set-up.
    addresses
        Addresses of the pages of the server, and keys of their names.
    """

    def __init__(self, settings: Settings, addresses: dict[str, str]) -> None:
        self._settings = settings
        self._pages = {f"..{address}": key for address, key in addresses.items() if address != "/reports/"}
        self._readers: dict[str, OverviewReader] = {}
        self._looks = ThreadPoolExecutor(1, "home")
        self._look: Future[None] | None = None
        self._verdicts: dict[str, Verdict] = {}

    def render(self, language: str) -> str:
        """Write the page as it is now; may be called from any thread.

        Parameters
        ----------
        language
            Of the reader.
        """
        look = self._look
        if look is None or look.done():
            look = self._look = self._looks.submit(self._read)
        wait([look], LONGEST_WAIT)
        known = dict(self._verdicts)
        verdicts = {name: known.get(name, _READING) for name in self._with_data()}
        return render_index(self._settings, Home(verdicts=verdicts, pages=self._pages, language=language))

    def _with_data(self) -> list[str]:
        """Instruments that have ever received something."""
        settings = self._settings
        return [
            name
            for name in available()
            if RunArchive(settings.archive(name), name).newest() is not None or settings.live(name).is_dir()
        ]

    def _read(self) -> None:
        """Bring the verdicts up to date."""
        limit = time.monotonic() + LONGEST_LOOK
        left = self._with_data()
        while left and time.monotonic() < limit:
            left = [name for name in left if self._reads_on(name)]

    def _reads_on(self, name: str) -> bool:
        """Judge an instrument; returns whether there is more to read."""
        try:
            if name not in self._readers:
                reader = OverviewReader(self._settings, load(name), reading_time=READING_TIME)
                self._readers[name] = reader
            verdict = self._verdicts[name] = self._readers[name].read().verdict
        except (EicpyError, OSError):  # a description that does not read: its own pages say why
            self._verdicts.pop(name, None)
            return False
        return verdict.reading is not None
