"""Messages between programs and hosts: published on a bus, read from it in order, chosen by subject.

A bus is opened by its URL (:func:`open_bus`): ``memory://`` within this process, ``nats://HOST:PORT`` over
NATS JetStream; others are added with :func:`register_bus`. What the bytes of a message mean is known only to
those who publish and read it.
"""

from eicpy.errors import BadArgumentError
from eicpy.messaging.bus import Bus, Message, Subscription, open_bus, register_bus
from eicpy.messaging.memory_bus import MemoryBus

__all__ = ["Bus", "MemoryBus", "Message", "Subscription", "open_bus", "register_bus"]


def _memory(url: str, root: str) -> Bus:
    del url, root
    return MemoryBus()


def _nats(url: str, root: str) -> Bus:
    try:
        from eicpy.messaging.nats_bus import NatsBus  # noqa: PLC0415, an extra that few need
    except ImportError as error:
        raise BadArgumentError(
            "got a bus on NATS, expected its client to be installed: pip install 'eicpy[nats]'"
        ) from error
    return NatsBus(url, root)


register_bus("memory", _memory)
register_bus("nats", _nats)
register_bus("tls", _nats)
