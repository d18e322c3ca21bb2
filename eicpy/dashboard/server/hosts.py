"""By which names the server answers: the check of the headers Host and Origin.

A browser writes into ``Host`` the name that stands in its address bar (RFC 9110 §7.2). A foreign page may
let its own name lead to this machine after it was loaded (DNS rebinding); what it then asks for goes to this
server, but still under the foreign name. So a server that answers by its own names only cannot be reached
from a foreign page, although the browser that shows that page runs on this machine. An Origin (RFC 6454)
must be the Host that was asked for.
"""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from eicpy.errors import BadArgumentError

__all__ = ["HostNames", "check_host_name"]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_NAME = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,252}))(?::(?P<port>[0-9]{1,5}))?"
)


def _split(host: str) -> tuple[str, int | None] | None:
    """Name in lower case and port of a Host header; None where it is none."""
    found = _NAME.fullmatch(host.lower())
    if found is None:
        return None
    port = found["port"]
    return found["name"], None if port is None else int(port)


def check_host_name(name: str) -> str:
    """Return a name by which the server may be asked for, in lower case.

    Parameters
    ----------
    name
        ``NAME``, at any port, or ``NAME:PORT``; an IPv6 address in brackets.

    Raises
    ------
    BadArgumentError
        For anything else, an address with ``https://`` before it too.

    Examples
    --------
    >>> check_host_name("EIC.example.org"), check_host_name("localhost:9000")
    ('eic.example.org', 'localhost:9000')
    """
    if _split(name) is None:
        raise BadArgumentError(
            f"got host name {name[:60]!r}, expected a name as in a browser's address, without https:// "
            "and without a path, such as eic.example.org or localhost:9000"
        )
    return name.lower()


class HostNames:
    """The names by which a server answers.

    Parameters
    ----------
    address
        Listened on.
    port
        Listened on.
    named
        Further names, each with or without a port: those of a proxy or of a tunnel.

    Examples
    --------
    >>> names = HostNames("127.0.0.1", 8866, ["eic.example.org"])
    >>> names.accept("localhost:8866"), names.accept("eic.example.org"), names.accept("evil.example:8866")
    (True, True, False)
    """

    def __init__(self, address: str, port: int, named: Iterable[str] = ()) -> None:
        bracketed = f"[{address}]" if ":" in address else address
        self.port = port
        self._own = {*LOOPBACK_NAMES, bracketed.lower()}
        self._named = {check_host_name(name) for name in named}

    def __str__(self) -> str:
        return ", ".join([*(f"{name}:{self.port}" for name in sorted(self._own)), *sorted(self._named)])

    def accept(self, host: str, local_address: str = "") -> bool:
        """Whether the server answers by a name.

        Parameters
        ----------
        host
            Header ``Host``.
        local_address
            Address that the visitor connected to; where the server listens on all of them, this one is meant.
            A foreign page cannot ask under a number, only under its own name.
        """
        asked = _split(host)
        if asked is None:
            return False
        name, port = asked
        if name in self._named or (port is not None and f"{name}:{port}" in self._named):
            return True
        if (80 if port is None else port) != self.port:
            return False
        return name in self._own or _same_address(name, local_address)

    @staticmethod
    def same(origin: str, host: str) -> bool:
        """Whether an Origin is the Host that was asked for; ``null``, of a sandbox, is not."""
        try:
            return urlsplit(origin.lower()).netloc == host.lower() != ""
        except ValueError:  # such as a bracket that is never closed
            return False


def _same_address(name: str, local_address: str) -> bool:
    try:
        local = ipaddress.ip_address(local_address.partition("%")[0])
        asked = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(local, "ipv4_mapped", None)
    return asked in {local, mapped}
