"""XTCE documents made of pieces, and what an import of one must be good for."""

import pytest

from eicpy.instruments import load
from eicpy.packets import PacketLayout

HEADER = [("VERSION", 3), ("TYPE", 1), ("FLAG", 1), ("APID", 11), ("GROUP", 2), ("COUNT", 14), ("LENGTH", 16)]


def document(types="", parameters="", containers="", root="", top=""):
    """A document with the primary header, and what is given besides."""
    header_types = "".join(
        f'<IntegerParameterType name="{n}_T" signed="false"><IntegerDataEncoding sizeInBits="{b}" '
        'encoding="unsigned"/></IntegerParameterType>'
        for n, b in HEADER
    )
    header = "".join(f'<Parameter name="{n}" parameterTypeRef="{n}_T"/>' for n, _ in HEADER)
    entries = "".join(f'<ParameterRefEntry parameterRef="{n}"/>' for n, _ in HEADER)
    return (
        f'<?xml version="1.0"?>{top}<SpaceSystem name="made-up" '
        'xmlns="http://www.omg.org/spec/XTCE/20180204"><TelemetryMetaData>'
        f"<ParameterTypeSet>{header_types}{types}</ParameterTypeSet>"
        f"<ParameterSet>{header}{parameters}</ParameterSet>"
        '<ContainerSet><SequenceContainer name="CCSDSPacket" abstract="true">'
        f"<EntryList>{entries}</EntryList></SequenceContainer>{containers}</ContainerSet></TelemetryMetaData>{root}</SpaceSystem>"
    )


def uint(name, bits, inside=""):
    return (
        f'<IntegerParameterType name="{name}_T"><IntegerDataEncoding sizeInBits="{bits}" encoding="unsigned">'
        f"{inside}</IntegerDataEncoding></IntegerParameterType>"
    )


def parameter(name):
    return f'<Parameter name="{name}" parameterTypeRef="{name}_T"/>'


def container(name, entries, base="CCSDSPacket", criteria="", attributes=""):
    inherit = ""
    if base:
        inherit = (
            f'<BaseContainer containerRef="{base}"><RestrictionCriteria><ComparisonList>{criteria}'
            "</ComparisonList></RestrictionCriteria></BaseContainer>"
        )
    listed = "".join(
        entry if entry.startswith("<") else f'<ParameterRefEntry parameterRef="{entry}"/>'
        for entry in entries
    )
    return (
        f'<SequenceContainer name="{name}" {attributes}><EntryList>{listed}</EntryList>{inherit}'
        "</SequenceContainer>"
    )


def equal(name, value):
    return f'<Comparison parameterRef="{name}" value="{value}" useCalibratedValue="false"/>'


def reads_back(made, folder):
    """What was written is a detector: each packet that was taken over, with its table."""
    made.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EIC_INSTRUMENTS", str(folder))
        described = load(made.name)
    assert set(described.packets) == {packet.name for packet in made.packets}
    for kind in described.packets:
        PacketLayout.read(described.layout_file(kind))
