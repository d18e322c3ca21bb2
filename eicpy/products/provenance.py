"""How a product was made: who ran what, on which inputs, with which corrections.

The record is a value that is passed from hand to hand: no global, nothing of the user's environment
(no home, no path, no name). It goes into the file it describes (keywords and a PROVENANCE table) and,
where wanted, into a JSON file beside it. The list of corrections already applied is there so that none is
applied twice or forgotten.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from eicpy.errors import BadDataError
from eicpy.files import atomic_file, sha256_of

__all__ = ["InputFile", "Provenance", "software_commit", "software_versions"]

_PACKAGES = ("eicpy", "astropy", "numba", "numpy", "pyarrow", "scipy")


def software_versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Versions of the packages that are installed among `packages`."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


@cache
def software_commit() -> tuple[str, bool | None]:
    """Commit of the source tree that the package runs from, and whether it was changed since.

    Returns
    -------
    tuple of str and (bool or None)
        Empty and None where the package does not run from a git work tree of its own.
    """
    folder = Path(__file__).resolve().parents[1]
    git = shutil.which("git")
    if git is None:
        return "", None

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(  # noqa: S603 - fixed arguments, the program found on the path
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    # a package installed into somebody else's repository must not report that repository's commit
    if ask("ls-files", "--error-unmatch", "errors.py") is None:
        return "", None
    changes = ask("status", "--porcelain", "--untracked-files=no", "--", ".")
    return ask("rev-parse", "HEAD") or "", None if changes is None else bool(changes)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that went in.

    Parameters
    ----------
    name
        File name, without folder.
    sha256
        Hash of its content.
    size
        Bytes.
    role
        What it was used for, for example ``photons`` or ``gain table``.
    """

    name: str
    sha256: str
    size: int
    role: str = ""

    @classmethod
    def of(cls, path: Path, role: str = "") -> Self:
        """Describe a file."""
        path = Path(path)
        return cls(path.name, sha256_of(path), path.stat().st_size, role)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Provenance:
    """The record of how a product was made.

    Parameters
    ----------
    activity
        Name of the work, for example ``gain calibration``.
    inputs
        Files that went in.
    configuration
        Parameters of the work; anything that JSON can hold.
    corrections
        Corrections already applied to the data, in order (header keyword ``CALSTAT``), for example
        ``("gain",)``.
    simulated
        Whether the data come from a simulation; None where nobody knows.
    versions
        Versions of the packages.
    commit, dirty
        Commit of the software, and whether it was changed since.
    start, stop
        When the work began and ended, UTC, ISO; `stop` is empty while it runs.
    uuid
        Identifier of the run of the work.

    See Also
    --------
    InputFile : A file that went in, with its hash.
    read_product : Returns the record of a product.

    Examples
    --------
    >>> record = Provenance.begin("test", corrections=("gain",), simulated=True)
    >>> Provenance.from_json(record.to_json()) == record
    True
    """

    activity: str
    inputs: tuple[InputFile, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    corrections: tuple[str, ...] = ()
    simulated: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    dirty: bool | None = None
    start: str = ""
    stop: str = ""
    uuid: str = ""

    @classmethod
    def begin(
        cls,
        activity: str,
        *,
        inputs: Iterable[InputFile | Path] = (),
        configuration: Mapping[str, Any] | None = None,
        corrections: Iterable[str] = (),
        simulated: bool | None = None,
    ) -> Self:
        """Open a record: the clock starts, versions and commit are taken."""
        commit, dirty = software_commit()
        return cls(
            activity=activity,
            inputs=tuple(i if isinstance(i, InputFile) else InputFile.of(i) for i in inputs),
            configuration=json.loads(json.dumps(dict(configuration or {}), default=str)),
            corrections=tuple(corrections),
            simulated=simulated,
            versions=software_versions(),
            commit=commit,
            dirty=dirty,
            start=_now(),
            uuid=str(uuid4()),
        )

    def with_inputs(self, *inputs: InputFile | Path) -> Self:
        """The same record with further inputs."""
        more = tuple(i if isinstance(i, InputFile) else InputFile.of(i) for i in inputs)
        return replace(self, inputs=self.inputs + more)

    def with_corrections(self, *corrections: str) -> Self:
        """The same record with further corrections."""
        return replace(self, corrections=self.corrections + corrections)

    def finished(self) -> Self:
        """The same record, closed now; a record that is closed is not changed."""
        return self if self.stop else replace(self, stop=_now())

    def to_json(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a record.

        Raises
        ------
        BadDataError
            For text that is not a record.
        """
        try:
            return cls._from_dict(json.loads(text))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadDataError(f"got a provenance record that cannot be read: {error}") from error

    def write(self, path: Path) -> None:
        """Write the record as a JSON file.

        Raises
        ------
        FailedError
            Where it could not be written.
        """
        with atomic_file(Path(path)) as file:
            file.write(self.to_json().encode())

    def to_rows(self) -> list[tuple[str, str]]:
        """The record as (key, JSON value), one ``input`` for each input."""
        values = asdict(self)
        inputs = values.pop("inputs")
        rows = [(key, json.dumps(value, sort_keys=True)) for key, value in values.items()]
        return rows + [("input", json.dumps(value, sort_keys=True)) for value in inputs]

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, str]]) -> Self:
        """Read a record from its (key, JSON value) rows.

        Raises
        ------
        BadDataError
            For rows that are not a record.
        """
        values: dict[str, Any] = {"inputs": []}
        try:
            for key, text in rows:
                if key == "input":
                    values["inputs"].append(json.loads(text))
                else:
                    values[key] = json.loads(text)
            return cls._from_dict(values)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadDataError(f"got a PROVENANCE table that cannot be read: {error}") from error

    @classmethod
    def _from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {f.name for f in fields(cls)}
        kept = {key: value for key, value in values.items() if key in known}
        kept["inputs"] = tuple(InputFile(**i) for i in kept.get("inputs", ()))
        kept["corrections"] = tuple(kept.get("corrections", ()))
        return cls(**kept)

    def to_cards(self) -> list[tuple[str, Any, str]]:
        """Header cards (keyword, value, comment): the part that a reader of the file asks first."""
        return [
            ("PROV_ID", self.uuid, "run that made the file"),
            ("PROV_ACT", self.activity, "what was done"),
            ("PROVSTRT", self.start, "UTC, start of the run"),
            ("PROVSTOP", self.stop, "UTC, end of the run"),
            ("SWCOMMIT", self.commit, "commit of eicpy"),
            ("SWDIRTY", self.dirty, "source changed since that commit"),
            ("NINPUTS", len(self.inputs), "input files, see PROVENANCE"),
            ("CALSTAT", ",".join(self.corrections) or "NONE", "corrections already applied"),
            ("SIMULATE", self.simulated, "T: simulated data"),
        ]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(key)}</th><td><code>{escape(value)}</code></td></tr>"
            for key, value in self.to_rows()
        )
        return f"<table><caption>Provenance</caption>{rows}</table>"
