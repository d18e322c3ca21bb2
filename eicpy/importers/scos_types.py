"""How a parameter is written in a packet, from its type and format codes (PTC and PFC)."""

from dataclasses import dataclass

from eicpy.errors import BadDataError

__all__ = ["ScosType", "parameter_type"]

_INTEGER_BITS = {**{code: code + 4 for code in range(13)}, 13: 24, 14: 32, 15: 48, 16: 64}
_TIME_BITS = {1: 48, 2: 64, **{code: 8 * ((code - 3) // 4 + 1 + (code - 3) % 4) for code in range(3, 19)}}


@dataclass(frozen=True)
class ScosType:
    """How a parameter is written.

    Attributes
    ----------
    kind
        Type in our tables.
    bits
        Bits that it takes.
    remark
        What our type does not say; empty where it says all.
    """

    kind: str
    bits: int
    remark: str = ""

    @property
    def is_number(self) -> bool:
        """Whether calibrations apply to it."""
        return self.kind in {"uint", "int", "float"} and not self.remark


def parameter_type(ptc: int, pfc: int) -> ScosType:
    """Type of a parameter.

    Parameters
    ----------
    ptc, pfc
        Parameter type code and parameter format code (ECSS-E-70-41).

    Raises
    ------
    BadDataError
        For a type that has no fixed size, is not a part of packets, or is not known.
    """
    found: ScosType | None = None
    if ptc == 1:
        found = ScosType("uint", max(pfc, 1))
    elif ptc in {2, 6}:
        found = ScosType("uint", pfc)
    elif ptc in {3, 4} and pfc in _INTEGER_BITS:
        found = ScosType("uint" if ptc == 3 else "int", _INTEGER_BITS[pfc])
    elif ptc == 5 and pfc in {1, 2}:
        found = ScosType("float", 32 * pfc)
    elif ptc == 5 and pfc in {3, 4}:
        remark = "a real number of MIL-STD-1750A: its bits are taken as they are, as an unsigned number"
        found = ScosType("uint", 32 if pfc == 3 else 48, remark)
    elif ptc in {7, 8} and pfc > 0:
        found = ScosType("bytes", 8 * pfc)
    elif ptc in {9, 10} and pfc in _TIME_BITS:
        # Day segmented (CCSDS 301.0-B-4, section 3.3): one number of it is no length of time.
        segmented = f"a time as days and milliseconds of the day (type {ptc}/{pfc}), taken as one number"
        found = ScosType("uint", _TIME_BITS[pfc], segmented if pfc in {1, 2} else "")
    most = 8 * 65536 if found is not None and found.kind == "bytes" else 64
    if found is None or not 1 <= found.bits <= most:
        raise BadDataError(f"got type {ptc}/{pfc}, {_REASONS.get(ptc, 'which is none of the known ones')}")
    return found


_REASONS = {
    1: "a Boolean of more than 64 bits",
    2: "an enumerated parameter of a width other than 1 to 64 bits",
    3: "an unsigned number of unknown width",
    4: "a signed number of unknown width",
    5: "a real number of unknown form",
    6: "a bit string of variable size or more than 64 bits",
    7: "an octet string of variable size or more than 65536 bytes",
    8: "a text of variable size or more than 65536 bytes",
    9: "a time whose form is given by the packet itself",
    10: "a time whose form is given by the packet itself",
    11: "whose type is deduced from the value of another parameter",
    13: "a parameter that is computed on the ground",
}
