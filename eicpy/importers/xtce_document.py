"""An XTCE document, made sure of before another library reads it.

A document may come from anywhere, so that nothing of it is expanded: one with a document type, by which
entities are declared, is refused as soon as that is seen. Inheritance that goes round in circles is refused
by name. What the library passes over in silence is noted.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from eicpy.errors import BadDataError

__all__ = ["XtceDocument", "read_document"]

LARGEST = 256 << 20
"""Most bytes of a document."""
MOST_ENTRIES = 8 * 65536
"""Most parameters of a container with all that it contains: the bits of the longest packet."""
NAMESPACE = "http://www.omg.org/spec/XTCE/20180204"
_TYPES = {
    f"{kind}ParameterType"
    for kind in (
        *("String", "Integer", "Float", "Enumerated", "Binary", "Boolean"),
        *("AbsoluteTime", "RelativeTime"),
    )
}
_SETS = ("ParameterTypeSet", "ParameterSet", "ContainerSet")
_OTHER_PARTS = {
    "CommandMetaData": "only telemetry is imported",
    "ServiceSet": "only telemetry is imported",
    "SpaceSystem": "a system within the system is not read",
}
_ENTRIES = {"ParameterRefEntry", "ContainerRefEntry"}
_PLACES = {"LocationInContainerInBits", "RepeatEntry", "IncludeCondition", "TimeAssociation", "Offset"}


@dataclass(frozen=True)
class XtceDocument:
    """A document without surprises.

    Attributes
    ----------
    file
        Where it is from.
    root
        Its elements, names without their namespace, and without those that the library cannot read.
    passed_over
        For each container: what its entries say that the library does not read.
    unread
        Names of parts that are no telemetry, or that the library does not read.
    """

    file: Path
    root: ET.Element
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)

    @property
    def octets(self) -> bytes:
        """The document as the library gets it: written again from its elements, and nothing else."""
        self.root.set("xmlns", NAMESPACE)
        octets: bytes = ET.tostring(self.root, encoding="utf-8", xml_declaration=True)
        return octets

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


def read_document(file: Path) -> XtceDocument:
    """Read an XTCE document.

    Raises
    ------
    BadDataError
        If it is no XML, has a document type, is too large, or has containers that inherit in a circle.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise BadDataError(f"got {file.stat().st_size} bytes, expected {LARGEST} or fewer", file=file)
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
    _refuse_circles(document)
    _note_passed_over(document)
    _set_aside(document)
    return document


def _parse(octets: bytes, file: Path) -> ET.Element:
    """Elements of a document, without their namespaces."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(name: str, *_: object) -> None:
        raise BadDataError(
            f"line {parser.CurrentLineNumber}: got a document type ({name}), expected none: entities are not "
            "expanded",
            file=file,
            advice="remove <!DOCTYPE …> if you trust the file",
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end(_local(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(octets, True)
        root: ET.Element = builder.close()
    except expat.ExpatError as error:
        raise BadDataError(f"no XML: {error}", file=file) from error
    return root


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _containers(document: XtceDocument) -> Iterator[ET.Element]:
    yield from document.root.iterfind("TelemetryMetaData/ContainerSet/SequenceContainer")


def _refuse_circles(document: XtceDocument) -> None:
    """Refuse containers that contain themselves or far too much, and names that are not there."""
    uses: dict[str, list[str]] = {}
    entries: dict[str, int] = {}
    for container in _containers(document):
        name = container.get("name", "")
        entries[name] = len(container.findall("EntryList/*"))
        base = [c.get("containerRef", "") for c in container.iterfind("BaseContainer")]
        uses[name] = base + [
            c.get("containerRef", "") for c in container.iterfind("EntryList/ContainerRefEntry")
        ]
    sizes: dict[str, int] = {}
    for name in uses:
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(name, False)]
        while waiting:
            each, leave = waiting.pop()
            if leave:
                path.pop()
                sizes[each] = entries[each] + sum(sizes[used] for used in uses[each])
                if sizes[each] > MOST_ENTRIES:
                    raise BadDataError(
                        f"container {each}: got {sizes[each]} entries with all that it contains, expected "
                        f"{MOST_ENTRIES} or fewer: more than a packet has bits",
                        file=document.file,
                    )
                continue
            if each in path:
                circle = " → ".join([*path[path.index(each) :], each])
                raise BadDataError(
                    f"containers contain one another in a circle: {circle}", file=document.file
                )
            if each in sizes:
                continue
            if each not in uses:
                raise BadDataError(
                    f"container {path[-1]} names {each!r}, which is not there", file=document.file
                )
            path.append(each)
            waiting.append((each, True))
            waiting += [(used, False) for used in uses[each]]


def _note_passed_over(document: XtceDocument) -> None:
    """Note what is in the document that the library does not read."""
    for container in _containers(document):
        notes = document.passed_over.setdefault(container.get("name", ""), [])
        for entry in container.iterfind("EntryList/*"):
            which = entry.get("parameterRef") or entry.get("containerRef") or entry.tag
            if entry.tag not in _ENTRIES:
                notes.append(f"entry {which} ({entry.tag})")
            notes += [f"entry {which} has {part.tag}" for part in entry if part.tag in _PLACES]
        if container.find("BinaryEncoding") is not None:
            notes.append("a size or encoding of its own")
    for part in document.root:
        if part.tag in _OTHER_PARTS:
            document.unread.append((f"{part.tag} {part.get('name', '')}".strip(), _OTHER_PARTS[part.tag]))
    for part in document.root.iterfind("TelemetryMetaData/*"):
        if part.tag not in _SETS:
            document.unread.append((part.tag, "not read"))
    for kind in document.root.iterfind("TelemetryMetaData/ParameterTypeSet/*"):
        document.unread.extend(
            (f"parameter type {kind.get('name', '')}", f"its limits ({alarm})")
            for alarm in ("DefaultAlarm", "ContextAlarmList")
            if kind.find(alarm) is not None
        )


def _set_aside(document: XtceDocument) -> None:
    """Take out what would make the library refuse the whole document, and all that holds it, by name."""
    types, parameters, containers = (document.root.find(f"TelemetryMetaData/{name}") for name in _SETS)
    assert types is not None  # looked for when the document was read
    assert parameters is not None
    assert containers is not None
    for kind in list(types):
        reason = ""
        if kind.tag not in _TYPES:
            reason = f"left out: {kind.tag}, which space_packet_parser does not read"
        elif not any(part.tag.endswith("DataEncoding") for part in kind.iter()):
            reason = "left out: its encoding is not given"
        if reason:
            types.remove(kind)
            document.unread.append((f"parameter type {kind.get('name', '')}", reason))
    known = {kind.get("name") for kind in types}
    for parameter in list(parameters):
        if parameter.get("parameterTypeRef") not in known:
            parameters.remove(parameter)
            reason = (
                f"left out: of type {parameter.get('parameterTypeRef')}, which is not there or was left out"
            )
            document.unread.append((f"parameter {parameter.get('name', '')}", reason))
    names = {parameter.get("name") for parameter in parameters}
    while _set_containers_aside(document, containers, names):
        pass  # what held one of them is next


def _set_containers_aside(
    document: XtceDocument, containers: ET.Element, parameters: set[str | None]
) -> bool:
    """Take out containers that name something that is not there; whether there were some."""
    there = {container.get("name") for container in containers}
    found = False
    for container in list(containers):
        used = {p for part in container.iter() if (p := part.get("parameterRef")) is not None} - parameters
        used |= {c for part in container.iter() if (c := part.get("containerRef")) is not None} - there
        if used:
            containers.remove(container)
            reason = f"left out: it holds {', '.join(sorted(used))}, which is not there or was left out"
            document.unread.append((f"container {container.get('name', '')}", reason))
            found = True
    return found
