"""Telecommands and the reports that verify them (PUS service 1, ECSS-E-ST-70-41C, clause 8.1).

A telecommand is accepted (1/1) or rejected (1/2), started (1/3), and completed (1/7) or failed (1/8). Each
report begins with the request id: the first four bytes of the telecommand, which are its packet
identification and its sequence control. A failure adds a code.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.packets import PacketLayout

__all__ = ["ACCEPTED", "COMPLETED", "FAILED", "REJECTED", "STARTED", "VERIFICATION", "Refusal", "Telecommand"]
__all__ += ["Timing", "answers", "report_columns", "report_kind", "request_id"]

VERIFICATION = 1
"""PUS service of the reports."""
ACCEPTED, REJECTED, STARTED, COMPLETED, FAILED = 1, 2, 3, 7, 8
"""Its subservices."""
_ASKED = {ACCEPTED: 8, STARTED: 4, COMPLETED: 1}
"""Bits of the acknowledgement flags by which a telecommand asks for a report."""
_REQUEST_BITS = 32
Refusal = Literal["acceptance", "completion"]


@dataclass(frozen=True, slots=True)
class Timing:
    """When the reports are sent, s after the telecommand (guesses)."""

    acceptance: float = 0.1
    start: float = 0.3
    completion: float = 0.9


@dataclass(frozen=True, slots=True)
class Telecommand:
    """A telecommand of an instrument.

    Parameters
    ----------
    kind
        Its name in the instrument's description.
    arguments
        Raw values of its fields; those not named are 0.

    Examples
    --------
    >>> Telecommand.parse("start-measurement,RUN_MODE=2")
    Telecommand(kind='start-measurement', arguments={'RUN_MODE': 2})
    """

    kind: str
    arguments: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME`` or ``NAME,FIELD=VALUE,…``.

        Raises
        ------
        BadArgumentError
            For anything else.
        """
        kind, *pairs = text.split(",")
        arguments: dict[str, int] = {}
        for pair in pairs:
            name, _, value = pair.partition("=")
            try:
                arguments[name.strip()] = int(value, 0)
            except ValueError as error:
                raise BadArgumentError(f"got {pair!r} in command {text!r}, expected FIELD=NUMBER") from error
        return cls(kind.strip(), arguments)

    def check(self, instrument: Instrument) -> None:
        """See that the instrument knows the command and its arguments.

        Raises
        ------
        NotFoundError
            If it does not.
        """
        known = [name for name, rule in instrument.packets.items() if rule.command]
        if self.kind not in known:
            raise NotFoundError(
                f"got command {self.kind!r}, expected one of {instrument.name}: {', '.join(known) or 'none'}"
            )
        fields = PacketLayout.read(instrument.layout_file(self.kind)).single
        unknown = set(self.arguments) - set(fields)
        if unknown:
            raise NotFoundError(
                f"command {self.kind}: got {', '.join(sorted(unknown))}, "
                f"expected {', '.join(fields) or 'no argument'}"
            )

    def columns(self) -> dict[str, Any]:
        """The arguments as columns of one packet."""
        return {name: np.array([value]) for name, value in self.arguments.items()}


def request_id(packet: Any) -> int:
    """The request id of a telecommand: its first four bytes as one number."""
    return int.from_bytes(bytes(packet[:4]), "big")


def answers(
    timing: Timing, refuse: Refusal | None = None, acknowledge: int = 0b1111
) -> list[tuple[int, float]]:
    """The reports on a telecommand: subservice, and seconds after the telecommand.

    Parameters
    ----------
    timing
        When each report is sent.
    refuse
        What fails; None: nothing.
    acknowledge
        Acknowledgement flags of the telecommand: reports of success come only where they are asked for.
    """
    if refuse == "acceptance":
        return [(REJECTED, timing.acceptance)]
    good = [(ACCEPTED, timing.acceptance), (STARTED, timing.start)]
    last = (FAILED, timing.completion) if refuse == "completion" else (COMPLETED, timing.completion)
    return [one for one in [*good, last] if acknowledge & _ASKED.get(one[0], 0b1111)]


def report_kind(instrument: Instrument, subservice: int) -> str:
    """Name of the packet kind of a report.

    Raises
    ------
    NotFoundError
        If the instrument describes none.
    """
    for name, rule in instrument.packets.items():
        if rule.kind == "verification" and (rule.service, rule.subservice) == (VERIFICATION, subservice):
            return name
    raise NotFoundError(
        f"got no report {VERIFICATION}/{subservice} in the description of {instrument.name}, which it needs "
        "to answer a telecommand; add the kind to its instrument.toml"
    )


def report_columns(layout: PacketLayout, request: int, code: int = 0) -> dict[str, Any]:
    """Fields of a report.

    Parameters
    ----------
    layout
        Its table: the request id, cut into fields in any way, then perhaps a failure code.
    request
        See :func:`request_id`.
    code
        Why it failed.
    """
    columns: dict[str, Any] = {}
    fields = [(spec, bit) for spec, bit in layout.sections[0].fields if spec.is_data]
    for spec, bit in fields:
        at = bit - fields[0][1]
        rest = _REQUEST_BITS - at - spec.bit_width
        value = (request >> rest) & ((1 << spec.bit_width) - 1) if rest >= 0 else code
        columns[spec.name] = np.array([value])
    return columns
