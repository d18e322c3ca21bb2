"""Whether the description of a detector and its packet tables fit together.

Loading looks at each entry of ``instrument.toml`` by itself. Here the tables are read, too: every field that
an entry names must be in its table, no field may stand in a header, and no packet may be of two kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from eicpy.errors import BadDataError
from eicpy.instruments import Instrument, PacketKind, load
from eicpy.packets import PacketLayout, check_alternatives

__all__ = ["DescriptionCheck", "check_description"]

_HEADER_BITS = {"pus-a": 32, "pus-c": 56}
"""PUS headers of telemetry before the time, with a destination id."""
_BASELINE_BITS = 15
"""Most bits of a baseline, which is kept in 16 with a sign."""
_COMMAND_BITS = {"pus-a": 32, "pus-c": 40}


@dataclass
class DescriptionCheck:
    """What a description holds, and what is wrong with it.

    Parameters
    ----------
    name
        Name of the detector.
    packets
        Kinds of packets.
    parameters
        Housekeeping parameters.
    problems
        A sentence each, with the entry it is about; empty if all is well.
    """

    name: str
    packets: int = 0
    parameters: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line: ok with the numbers of packets and parameters, or the number of problems."""
        if self.problems:
            return f"{self.name}: {len(self.problems)} to be put right"
        return f"ok: {self.packets} packets, {self.parameters} parameters"


def check_description(name: str) -> DescriptionCheck:
    """Check the description of a detector with its tables.

    Parameters
    ----------
    name
        Name of a detector on the search path.

    Returns
    -------
    DescriptionCheck
        With all that is wrong, not only the first.

    Raises
    ------
    BadArgumentError
        For a name that is not known.
    """
    check = DescriptionCheck(name)
    try:
        instrument = load(name)
    except BadDataError as error:
        check.problems.append(str(error))
        return check
    layouts: dict[str, PacketLayout] = {}
    for kind in instrument.packets:
        try:
            layouts[kind] = PacketLayout.read(instrument.layout_file(kind))
        except BadDataError as error:
            check.problems.append(f"packets.{kind}.layout: {error}")
    for look in (_kinds, _headers, _alternatives, _fields, _limits, _good_time, _lines):
        check.problems += look(instrument, layouts)
    check.packets = len(instrument.packets)
    check.parameters = len(_parameters(instrument, layouts))
    return check


def _kinds(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    """Packets that could be of two kinds, and structure ids without a field."""
    alike: dict[tuple[int, bool], list[tuple[str, PacketKind]]] = {}
    for name, kind in instrument.packets.items():
        alike.setdefault((kind.apid, kind.command), []).append((name, kind))
    for kinds in alike.values():
        for (one, first), (other, second) in combinations(kinds, 2):
            if _overlap(first, second):
                yield (
                    f"packets.{one} and packets.{other}: got the same APID and type, expected service, "
                    "subservice, structure or command to distinguish them"
                )
    for name, kind in instrument.packets.items():
        if kind.structure is not None and name in layouts and layouts[name].structure is None:
            yield f"packets.{name}.structure: expected a field of type structure in {kind.layout}"


def _overlap(first: PacketKind, second: PacketKind) -> bool:
    """Whether packets of an APID and direction could be of both kinds."""
    pairs = ((getattr(first, n), getattr(second, n)) for n in ("service", "subservice", "structure"))
    return all(a is None or b is None or a == b for a, b in pairs)


def _headers(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    """APIDs declared twice, and fields inside a PUS header."""
    apids = [header.apid for header in instrument.headers]
    for apid in sorted({apid for apid in apids if apids.count(apid) > 1}):
        yield f"headers: got APID {apid} twice, expected each once"
    for name, layout in layouts.items():
        kind = instrument.packets[name]
        header = instrument.header(kind.apid)
        if header is None or header.secondary not in _HEADER_BITS:
            continue
        end = _COMMAND_BITS[header.secondary]
        if not kind.command:
            time = (
                _HEADER_BITS[header.secondary] if header.time_offset is None else 8 * header.time_offset - 48
            )
            end = time + header.coarse_bits + header.fine_bits
        for spec, bit in layout.sections[0].fields:
            if bit < end and spec.is_data:
                yield (
                    f"packets.{name}: field {spec.name} of {kind.layout} begins at bit {bit}, inside the "
                    f"{header.secondary} header; expected {end} or more"
                )


def _alternatives(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    """Alternative tables that cannot be read or cannot stand for the first; a baseline in none of them."""
    for name, layout in layouts.items():
        tables = [layout]
        try:
            tables += [PacketLayout.read(file) for file in instrument.layout_files(name)[1:]]
            check_alternatives(tables)
        except BadDataError as error:
            yield f"packets.{name}.alternatives: {error}"
            continue
        rule = instrument.photons
        if rule is None or rule.packet != name or rule.baseline is None:
            continue
        having = [table for table in tables if rule.baseline in table]
        if not having:
            yield (
                f"photons.baseline: got field {rule.baseline!r}, expected one of "
                f"{', '.join(table.name for table in tables)}"
            )
        elif having[0][rule.baseline].bit_width > _BASELINE_BITS:
            yield (
                f"photons.baseline: {rule.baseline} has {having[0][rule.baseline].bit_width} bits, expected "
                f"{_BASELINE_BITS} or fewer"
            )


def _fields(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    """Fields that entries name and their tables do not have."""
    for entry, packet, name in _named_fields(instrument):
        layout = layouts.get(packet)
        if layout is not None and name not in layout:
            known = ", ".join(layout.names)
            table = instrument.packets[packet].layout
            yield f"{entry}: got field {name!r}, expected one of {table}: {known}"
    rule = instrument.photons
    if rule is not None and rule.packet in layouts and rule.channel in layouts[rule.packet]:
        bits = layouts[rule.packet][rule.channel].bit_width
        if 2**bits < instrument.energy.channels:
            yield (
                f"photons.channel: {rule.channel} has {bits} bits, too few for the "
                f"{instrument.energy.channels} of energy.channels"
            )


def _lines(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    """Tables of lines that are missing or cannot be read."""
    del layouts
    if instrument.gain is not None and instrument.gain.lines is None:
        yield "gain: expected [gain.lines], the tables of the lines to which the gain is fitted"
    try:
        instrument.line_blocks()
    except BadDataError as error:
        yield f"gain.lines: {error}"


def _named_fields(instrument: Instrument) -> Iterator[tuple[str, str, str]]:
    """Entry, kind of packet and field of all that the description names."""
    if (photons := instrument.photons) is not None:
        yield "photons.time.field", photons.packet, photons.time.field
        yield "photons.channel", photons.packet, photons.channel
        yield from (("photons.pixel", photons.packet, term.field) for term in photons.pixel)
        if photons.multiplicity is not None:
            yield "photons.multiplicity", photons.packet, photons.multiplicity
    if (spectra := instrument.spectra) is not None:
        yield "spectra.counts", spectra.packet, spectra.counts
        yield from (("spectra.pixel", spectra.packet, term.field) for term in spectra.pixel)
        if spectra.live_time is not None:
            yield "spectra.live_time", spectra.packet, spectra.live_time
    if (rule := instrument.measurement) is not None:
        for entry, switch in (("measurement.start", rule.start), ("measurement.stop", rule.stop)):
            if switch.field is not None:
                yield f"{entry}.field", switch.packet, switch.field


def _limits(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    """Limits that are not in order."""
    for kind, layout in layouts.items():
        for name, limits in layout.limits.items():
            named = {
                "alarm_low": limits.alarm_low,
                "warning_low": limits.warning_low,
                "warning_high": limits.warning_high,
                "alarm_high": limits.alarm_high,
            }
            given = [(n, value) for n, value in named.items() if value is not None]
            for (low, a), (high, b) in pairwise(given):
                if a > b:
                    table = instrument.packets[kind].layout
                    yield f"{table}: {name}: got {low} {a:g} above {high} {b:g}, expected them in order"


def _good_time(instrument: Instrument, layouts: dict[str, PacketLayout]) -> Iterator[str]:
    known = _parameters(instrument, layouts)
    for criterion, rule in instrument.good_time.items():
        if rule.parameter not in known:
            yield (
                f"good_time.{criterion}.parameter: got {rule.parameter!r}, expected one of the housekeeping "
                f"parameters: {', '.join(known)}"
            )


def _parameters(instrument: Instrument, layouts: dict[str, PacketLayout]) -> tuple[str, ...]:
    """Housekeeping parameters of all tables."""
    if instrument.housekeeping is None:
        return ()
    kinds = [kind for kind in instrument.housekeeping.packets if kind in layouts]
    return tuple(name for kind in kinds for name in layouts[kind].single)
