"""What a whole chain is made of: the commands of receiver, processors and pages."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eicpy.acquisition.reception.sockets import host_and_port
from eicpy.errors import FailedError
from eicpy.instruments import Instrument
from eicpy.processors.child import ChainCommand, eic_command
from eicpy.processors.discovery import find_processor
from eicpy.settings import Settings

__all__ = ["ChainPlan", "default_processors", "free_port"]

LOOPBACK = "127.0.0.1"


def default_processors(instrument: Instrument) -> tuple[str, ...]:
    """The processors that an instrument has rules for.

    Parameters
    ----------
    instrument
        Its description.
    """
    rules = {"photons": instrument.photons, "housekeeping": instrument.housekeeping}
    return tuple(name for name, rule in rules.items() if rule is not None)


def free_port() -> int:
    """A port of this machine that nobody listens on now.

    Raises
    ------
    FailedError
        If there is none.
    """
    try:
        with socket.create_server((LOOPBACK, 0)) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise FailedError(f"got no free port on {LOOPBACK}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class ChainPlan:
    """What runs in a chain.

    Parameters
    ----------
    instrument
        Name of the detector.
    listen
        HOST:PORT of the TCP server; port 0 takes a free one.
    udp
        HOST:PORT of a UDP socket; empty: none.
    peers
        Addresses that may send; empty: this machine alone.
    operator, setup, comment
        Kept with the runs.
    processors
        Names of processors, or ``file.py:function``.
    dashboards_port
        Port of the pages; None: no pages.
    bus
        Address of a bus that every packet is published on, ``nats://HOST:PORT``; empty: none.
    orders
        Whether the monitor page takes orders from those who log in with the token.
    """

    instrument: str
    listen: str = "127.0.0.1:5000"
    udp: str = ""
    peers: tuple[str, ...] = ()
    operator: str = ""
    setup: str = ""
    comment: str = ""
    processors: tuple[str, ...] = ()
    dashboards_port: int | None = 8866
    bus: str = ""
    orders: bool = False

    def commands(self, settings: Settings) -> tuple[ChainCommand, ...]:
        """The commands in the order in which they are started, and stopped: the receiver first.

        Parameters
        ----------
        settings
            Where they work.

        Raises
        ------
        BadArgumentError
            For a processor that is not known.
        """
        environment = self.environment(settings)
        pages = () if self.dashboards_port is None else (self._dashboards(self.dashboards_port),)
        publisher = (self._publisher(),) if self.bus else ()
        return tuple(
            replace(command, environment=environment)
            for command in (self._receiver(), *map(self._processor, self.processors), *publisher, *pages)
        )

    @property
    def tcp_address(self) -> tuple[str, int]:
        """Host and port for connections."""
        return host_and_port(self.listen)

    @property
    def udp_address(self) -> tuple[str, int] | None:
        """Host and port for datagrams, where there are any."""
        return host_and_port(self.udp) if self.udp else None

    @property
    def pages(self) -> tuple[str, ...]:
        """Address of the pages, where there are any."""
        return () if self.dashboards_port is None else (f"http://{LOOPBACK}:{self.dashboards_port}/",)

    def environment(self, settings: Settings) -> dict[str, str]:
        """Environment variables of its processes: where they work."""
        return {"EIC_HOME": str(settings.home), "EIC_DATABASE_URL": settings.database_url}

    def arguments(self, timeout: float) -> tuple[str, ...]:
        """Arguments of ``eic`` that run the same chain without a screen.

        Parameters
        ----------
        timeout
            How long the processors may take to finish at the end, s.
        """
        pages = self.dashboards_port
        options = self._receiving | {
            "--processor": list(self.processors),
            "--port": [] if pages is None else [str(pages)],
            "--timeout": [f"{timeout:g}"],
            "--bus": [self.bus] if self.bus else [],
        }
        without = [
            *(["--no-processors"] if not self.processors else []),
            *(["--no-dashboards"] if pages is None else []),
            *(["--orders"] if self.orders else []),
        ]
        return ("acquire", "-i", self.instrument, *_flat(options), *without, "--headless")

    @property
    def _receiving(self) -> dict[str, list[str]]:
        """Options of the receiver; an empty text is none."""
        texts = {
            "--listen": self.listen, "--udp": self.udp, "--operator": self.operator,
            "--setup": self.setup, "--comment": self.comment,
        }  # fmt: skip
        return {name: [text] for name, text in texts.items() if text} | {"--peer": list(self.peers)}

    def _receiver(self) -> ChainCommand:
        options = _flat(self._receiving)
        return eic_command("receiver", "receive", "-i", self.instrument, *options, role="receiver")

    def _processor(self, processor: str) -> ChainCommand:
        name = find_processor(processor).name
        return eic_command(name, "process", processor, "-i", self.instrument, "--label", name)

    def _publisher(self) -> ChainCommand:
        return eic_command("publisher", "publish", "-i", self.instrument, "--bus", self.bus, role="publisher")

    def _dashboards(self, port: int) -> ChainCommand:
        options = ["--port", str(port), "-i", self.instrument, *(["--orders"] if self.orders else [])]
        return eic_command("dashboards", "dashboards", *options, role="dashboards")


def _flat(options: Mapping[str, Sequence[str]]) -> list[str]:
    return [word for name, values in options.items() for value in values for word in (name, value)]
