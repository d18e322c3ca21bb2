"""What an instrument calls the packets of an APID, in a word or two."""

from eicpy.instruments import Instrument

__all__ = ["packet_name"]


def packet_name(instrument: Instrument, apid: int, *, command: bool = False) -> str:
    """What an instrument calls the packets of an APID; empty for one that is not its own.

    A kind alone where it has several packets of it: ``verification``, not ``accepted, started``.

    Parameters
    ----------
    instrument
        The detector.
    apid, command
        Whose packets, telemetry or telecommands.
    """
    packets = {
        name: rule
        for name, rule in instrument.packets.items()
        if rule.apid == apid and getattr(rule, "command", False) == command
    }
    kinds = list(dict.fromkeys(rule.kind for rule in packets.values()))
    if len(packets) == 1:
        (name,) = packets
        return name if kinds[0] in {name, "other"} else f"{kinds[0]} {name}"
    if kinds:
        return ", ".join(kinds) if kinds != ["other"] else ", ".join(packets)
    return "" if instrument.header(apid) is None else "known"
