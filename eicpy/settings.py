"""Where a set-up keeps its data.

Everything that belongs to one set-up lies under one folder, so that two set-ups never meet. The
environment variable ``EIC_HOME`` names it; without it the platform's user data folder is used.
"""

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path

import platformdirs

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The folders and addresses of one set-up.

    Parameters
    ----------
    home
        The folder that holds everything.
    database_url
        SQLAlchemy address of the internal database; by default an SQLite file in `home`.
    database_timeout
        How long a database that does not answer is waited for, s; None: as ``EIC_DATABASE_TIMEOUT`` says,
        or 120 s.
    """

    home: Path
    database_url: str
    database_timeout: float | None = None

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read ``EIC_HOME`` and ``EIC_DATABASE_URL``."""
        home = (
            Path(os.environ.get("EIC_HOME") or platformdirs.user_data_path("eicpy")).expanduser().absolute()
        )
        return cls.at(home, os.environ.get("EIC_DATABASE_URL"))

    @classmethod
    def at(
        cls, home: Path, database_url: str | None = None, database_timeout: float | None = None
    ) -> "Settings":
        """Settings for a given folder."""
        home = Path(home).absolute()
        return cls(home, database_url or f"sqlite:///{home / 'eic.sqlite'}", database_timeout)

    def archive(self, instrument: str) -> Path:
        """Folder of the run archive of an instrument: raw packets, one folder per run."""
        return self.home / "archive" / instrument

    def products(self, instrument: str) -> Path:
        """Folder of the products (FITS) of an instrument."""
        return self.home / "products" / instrument

    def housekeeping(self, instrument: str) -> Path:
        """Folder of the housekeeping archive of an instrument."""
        return self.home / "housekeeping" / instrument

    def live(self, instrument: str) -> Path:
        """Folder of the status files of an instrument's live chain."""
        return self.home / "live" / instrument

    @property
    def notebooks(self) -> Path:
        """Folder of notebooks of one's own, run for every night; those of one detector are in a subfolder."""
        return self.home / "notebooks"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which another process finds this set-up."""
        return {"EIC_HOME": str(self.home), "EIC_DATABASE_URL": self.database_url}

    def _repr_html_(self) -> str:
        folders = {
            kind: sorted(path.name for path in (self.home / kind).glob("[!.]*") if path.is_dir())
            for kind in ("archive", "products", "housekeeping")
        }
        rows = "".join(
            f"<tr><th>{kind}</th><td>{escape(', '.join(names)) or 'nothing yet'}</td></tr>"
            for kind, names in folders.items()
        )
        return f"<table><caption>{escape(str(self.home))}</caption>{rows}</table>"

    @property
    def reports(self) -> Path:
        """Folder of the reports: static pages and their index."""
        return self.home / "reports"
