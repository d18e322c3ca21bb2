"""An XTCE document as elements, made sure of before anything is made of it.

A document may come from anywhere, so that nothing of it is expanded: one with a document type, by which
entities are declared, is refused as soon as that is seen. Its size, its depth and the fields of all its
packets together have limits, so that it is read in seconds or refused. Containers that go round in circles,
or name what is not there, are left out by name; the others are as good as they were.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from eicpy.errors import BadDataError

__all__ = ["MOST_FIELDS", "XtceDocument", "is_abstract", "local_name", "read_document"]

LARGEST = 256 << 20
"""Most bytes of a document."""
MOST_ELEMENTS = 1_500_000
"""Most elements of a document."""
DEEPEST = 64
"""Most elements around an element."""
MOST_ENTRIES = 8 * 65536
"""Most parameters of a container with all that it contains: the bits of the longest packet."""
MOST_FIELDS = 300_000
"""Most fields of all packets together."""
MOST_NAMED = 20
"""Most containers of a circle that are named."""
_SETS = ("ParameterTypeSet", "ParameterSet", "ContainerSet")
_OTHER_PARTS = {
    "CommandMetaData": "only telemetry is imported",
    "ServiceSet": "only telemetry is imported",
    "SpaceSystem": "a system within the system is not read",
}


@dataclass(frozen=True)
class XtceDocument:
    """A document without surprises.

    Attributes
    ----------
    file
        Where it is from.
    root
        Its elements, names without their namespace.
    types, parameters, containers
        Elements of the sets, by name.
    faults
        Why a container cannot be made a packet, by name.
    heirs
        Names of the containers that inherit from one, by its name.
    unread
        Names of parts that are not read, and why.
    """

    file: Path
    root: ET.Element
    types: dict[str, ET.Element] = field(default_factory=dict)
    parameters: dict[str, ET.Element] = field(default_factory=dict)
    containers: dict[str, ET.Element] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    heirs: dict[str, list[str]] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Name of the space system."""
        return self.root.get("name") or self.file.stem

    @property
    def provenance(self) -> str:
        """Which definition in which version, of when, from which file."""
        header = self.root.find("Header")
        entries = {} if header is None else header.attrib
        issue = [
            f"{name} {entries[name]}" for name in ("version", "date", "validationStatus") if name in entries
        ]
        return f"XTCE definition {self.title} ({', '.join([*issue, f'file {self.file.name}'])})"

    def resolve(self, reference: str) -> str:
        """Name that a reference means: absolute ones begin with the name of the system."""
        for prefix in (f"/{self.title}/", "./"):
            if reference.startswith(prefix):
                return reference[len(prefix) :]
        return reference

    def base(self, container: ET.Element) -> str:
        """Name of the container that one inherits from; empty where it has none."""
        base = container.find("BaseContainer")
        return "" if base is None else self.resolve(base.get("containerRef", ""))


def read_document(file: Path) -> XtceDocument:
    """Read a document.

    Parameters
    ----------
    file
        XML file.

    Raises
    ------
    BadDataError
        If it is no XTCE document with telemetry, declares a document type, or is larger or deeper than a
        database of packets is.
    """
    try:
        if file.exists() and not file.is_file():
            raise BadDataError("got no regular file, expected an XTCE document", file=file)
        if file.stat().st_size > LARGEST:
            raise BadDataError(
                f"got {file.stat().st_size} bytes, expected {LARGEST} or fewer for a database of packets",
                file=file,
            )
        octets = file.read_bytes()
    except OSError as error:
        raise BadDataError(f"unreadable: {error}", file=file) from error
    root = _parse(octets, file)
    if root.tag != "SpaceSystem":
        raise BadDataError(f"got a root element {root.tag}, expected SpaceSystem", file=file)
    for needed in _SETS:
        if root.find(f"TelemetryMetaData/{needed}") is None:
            raise BadDataError(f"got no TelemetryMetaData/{needed}: no telemetry is defined", file=file)
    document = XtceDocument(file, root)
    for name, into in zip(_SETS, (document.types, document.parameters, document.containers), strict=True):
        _collect(document, name, into)
    _note_unread(document)
    _judge_containers(document)
    return document


def _parse(octets: bytes, file: Path) -> ET.Element:
    """Elements of a document, without their namespaces."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = count = 0

    def refuse(name: str, *_: object) -> None:
        raise BadDataError(
            f"line {parser.CurrentLineNumber}: got a document type ({name}), expected none: entities are not "
            "expanded",
            file=file,
            advice="remove <!DOCTYPE …> if you trust the file",
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            what = (
                f"elements nested more than {DEEPEST} deep"
                if depth > DEEPEST
                else f"more than {MOST_ELEMENTS} elements"
            )
            raise BadDataError(
                f"line {parser.CurrentLineNumber}: got {what}, expected no more in a database of packets",
                file=file,
            )
        builder.start(local_name(name), {local_name(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(local_name(name))

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(octets, True)
        root: ET.Element = builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        # The latter two for an encoding that is unknown, or has more than a byte a letter.
        raise BadDataError(
            f"no XML: {error}", file=file, advice="save it in UTF-8, with encoding UTF-8 in its first line"
        ) from error
    return root


def local_name(name: str) -> str:
    """Name of an element or attribute without its namespace."""
    return name.rpartition(" ")[2]


def _collect(document: XtceDocument, name: str, into: dict[str, ET.Element]) -> None:
    """Elements of a set by their names; the first of a name is taken."""
    what = {"ParameterTypeSet": "parameter type", "ParameterSet": "parameter", "ContainerSet": "container"}[
        name
    ]
    for element in document.root.iterfind(f"TelemetryMetaData/{name}/*"):
        own = element.get("name", "")
        if element.tag == "ParameterRef" or (what == "container" and element.tag != "SequenceContainer"):
            document.unread.append((f"{what} {own or element.get('parameterRef', '')}".strip(), element.tag))
        elif own in into:
            document.unread.append((f"{what} {own}", "left out: got this name twice, the first one is taken"))
        else:
            into[own] = element


def _note_unread(document: XtceDocument) -> None:
    """Note what is in the document besides packets of telemetry."""
    for part in document.root:
        if part.tag in _OTHER_PARTS:
            document.unread.append((f"{part.tag} {part.get('name', '')}".strip(), _OTHER_PARTS[part.tag]))
    for part in document.root.iterfind("TelemetryMetaData/*"):
        if part.tag not in _SETS:
            document.unread.append((part.tag, "not read"))
    for name, kind in document.types.items():
        document.unread.extend(
            (f"parameter type {name}", f"its limits ({alarm})")
            for alarm in ("DefaultAlarm", "ContextAlarmList")
            if kind.find(alarm) is not None
        )


def _uses(document: XtceDocument, container: ET.Element) -> Iterator[str]:
    base = document.base(container)
    if container.find("BaseContainer") is not None:
        yield base
    for entry in container.iterfind("EntryList/ContainerRefEntry"):
        yield document.resolve(entry.get("containerRef", ""))


def _judge_containers(document: XtceDocument) -> None:
    """Find containers that cannot be made packets by what they use, and refuse far too many fields."""
    uses = {name: list(_uses(document, each)) for name, each in document.containers.items()}
    for name, container in document.containers.items():
        if container.find("BaseContainer") is not None:
            document.heirs.setdefault(document.base(container), []).append(name)
    sizes: dict[str, int] = {}
    for name in uses:
        _measure(document, name, uses, sizes)
    total = sum(
        sizes[name]
        for name, container in document.containers.items()
        if not is_abstract(container) and name not in document.heirs and name not in document.faults
    )
    if total > MOST_FIELDS:
        raise BadDataError(
            f"got {total} fields in all packets together, expected {MOST_FIELDS} or fewer", file=document.file
        )


def _measure(document: XtceDocument, name: str, uses: dict[str, list[str]], sizes: dict[str, int]) -> None:
    """Entries of a container with all that it uses, and what is wrong with them."""
    path: dict[str, None] = {}
    waiting: list[tuple[str, bool]] = [(name, False)]
    while waiting:
        each, leave = waiting.pop()
        if leave:
            path.pop(each)
            sizes[each] = _size(document, each, uses[each], sizes)
        elif each not in sizes and each not in path:
            path[each] = None
            waiting.append((each, True))
            for used in uses[each]:
                if used not in uses:
                    document.faults[each] = f"it names {used!r}, which is not there"
                elif used in path:
                    circle = list(path)
                    around = " → ".join([*circle[circle.index(used) :], used][-MOST_NAMED:])
                    document.faults[each] = f"containers contain one another in a circle: {around}"
                elif used not in sizes:
                    waiting.append((used, False))


def _size(document: XtceDocument, name: str, used: list[str], sizes: dict[str, int]) -> int:
    """Entries of a container of which the used ones are measured; 0 for one with a fault."""
    size = len(document.containers[name].findall("EntryList/*")) + sum(sizes.get(each, 0) for each in used)
    bad = next((each for each in used if each in document.faults), None)
    if name not in document.faults and bad is not None:
        cause = document.faults[bad]
        document.faults[name] = cause if cause.startswith("it holds") else f"it holds {bad}: {cause}"
    elif name not in document.faults and size > MOST_ENTRIES:
        document.faults[name] = (
            f"got {size} entries with all that it contains, expected {MOST_ENTRIES} or fewer: more than a "
            "packet has bits"
        )
    return 0 if name in document.faults else size


def is_abstract(container: ET.Element) -> bool:
    """Whether a container has no packets of its own."""
    return container.get("abstract", "").strip() in {"true", "1"}
