"""Everything that a user of eicpy installs may be used and passed on freely."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|Python Software Foundation|PSF|Zlib|CC0|HPND|Unlicense|Public Domain", re.IGNORECASE
)
# The Mozilla Public License reaches only the files under it, which we neither copy nor change.
MOZILLA = {"certifi", "fqdn", "tqdm"}


def installed_closure() -> dict[str, str]:
    """The licence, as the metadata tell it, of each package that eicpy and its extras bring along here."""
    groups = (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    pending = [Requirement(line) for lines in groups for line in lines]
    seen: set[tuple[str, frozenset[str]]] = set()
    licences: dict[str, str] = {}
    while pending:
        wanted = pending.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        found = distribution(wanted.name)
        licences[key[0]] = licence_of(found.metadata)
        for line in found.requires or []:
            needed = Requirement(line)
            extras = {"", *wanted.extras}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                pending.append(needed)
    return licences


def licence_of(metadata) -> str:
    """SPDX expression, else classifiers, else the first line of the free text."""
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    return (
        metadata.get("License-Expression")
        or "; ".join(classifiers)
        or (metadata.get("License") or "").split("\n")[0]
    )


def test_closure_is_permissive():
    licences = installed_closure()
    assert len(licences) > 80
    unclear = {name: licence for name, licence in licences.items() if not PERMISSIVE.search(licence)}
    assert set(unclear) <= MOZILLA, f"not known to be permissive: {unclear}"


def test_nothing_in_the_closure_is_copyleft():
    copyleft = {name: text for name, text in installed_closure().items() if re.search(r"A?GPL|GNU", text)}
    assert copyleft == {}


def test_the_record_names_every_dependency_with_its_reason_and_licence():
    record = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    rows = dict(re.findall(r"^\| ([\w-]+) \| ([^|]+\|[^|]+) \|$", record, re.MULTILINE))
    declared = {
        Requirement(line).name
        for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
        for line in lines
    }
    assert declared == set(rows) - {"package"}
    licences = installed_closure()
    for name, row in rows.items():
        if name != "package":
            reason, licence = (cell.strip() for cell in row.split("|"))
            assert len(reason) > 10
            family = licence.split("-")[0]
            assert family.lower() in licences[canonicalize_name(name)].lower(), name
