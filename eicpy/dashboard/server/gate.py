"""What every request passes before any handler sees it, and how long and how many connections may be open.

The order of the questions: is the server asked for by a name of its own; is the address one that can be; is
the method one that is used; does what changes something come from a page of ours. Whatever fails is answered
at once with a 4xx in words, a websocket too.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import unquote_to_bytes

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream
from traitlets.log import get_logger

from eicpy.dashboard.server.answers import ShortAnswers, guarded
from eicpy.dashboard.server.hosts import HostNames
from eicpy.errors import readable

__all__ = ["BoundedServer", "Gate", "judge_address"]

MOST_CONNECTIONS = 1000
MOST_WAITING = 100
"""Connections whose first request is not here yet; beyond it the oldest is closed."""
LARGEST_BODY = 1 << 20
LONGEST_ADDRESS = 2000
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def judge_address(address: str) -> int | None:
    r"""Status that an address is refused with; None for one that can be.

    Examples
    --------
    >>> [judge_address(a) for a in ("/monitor?lang=fr", "/%00", "/%zz", "/%ff", "/a/../b", "/" + 3000 * "a")]
    [None, 400, 400, 400, 404, 414]
    """
    if len(address) > LONGEST_ADDRESS:
        return 414
    path = address.partition("?")[0]
    if (
        not path.startswith("/")
        or not (address.isascii() and address.isprintable())
        or _BAD_ESCAPE.search(path)
    ):
        return 400
    try:
        words = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return 400
    if not words.isprintable():
        return 400
    return 404 if "\\" in words or ".." in words.split("/") or "//" in words else None


class RefusedHandler(ShortAnswers):
    """Answers a request that did not pass."""

    def initialize(self, status: int, host: str = "") -> None:
        """Status to answer with; the name that was asked for where that is the reason."""
        self._refused, self._host = status, host

    def prepare(self) -> None:
        """Answer, whatever the method."""
        if not self._host:
            raise web.HTTPError(self._refused)
        texts, name = self.texts, self._host[:80]
        port = self.application.names.port  # type: ignore[attr-defined]  # a Gate
        known = f"http://127.0.0.1:{port}/"
        parts = [
            f"<p>{escape(texts('host_refused_note', host=name))}</p>",
            f'<p><a href="{known}">{known}</a></p><p class="note">{escape(texts("host_refused_help"))}</p>',
        ]
        self.answer(self._refused, texts("host_refused"), parts)


class Gate(web.Application):
    """The application with the questions before it.

    Parameters
    ----------
    names
        By which it is asked for.
    **settings
        Of Tornado.
    """

    def __init__(self, names: HostNames, **settings: Any) -> None:
        self.names = names
        self.server: BoundedServer | None = None
        super().__init__(
            default_handler_class=RefusedHandler, default_handler_args={"status": 404}, **settings
        )

    def add_rules(self, rules: Iterable[tuple[Any, ...]]) -> None:
        """Add handlers, each with our headers and errors."""
        self.add_handlers(".*$", [(rule[0], guarded(rule[1]), *rule[2:]) for rule in rules])

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler of a request that passes, else one that refuses it."""
        if self.server is not None:
            self.server.heard(request)
        host = request.headers.get("Host", "")
        if not self.names.accept(host, _local_address(request)):
            get_logger().warning(
                "refused a request for host %s from %s", readable(host[:80]), request.remote_ip
            )
            return self.get_handler_delegate(request, RefusedHandler, {"status": 403, "host": host or "–"})
        status = judge_address(request.uri or "") or self._judge_method(request)
        if status is not None:
            return self.get_handler_delegate(request, RefusedHandler, {"status": status})
        return super().find_handler(request, **kwargs)

    @staticmethod
    def _judge_method(request: HTTPServerRequest) -> int | None:
        if request.method not in METHODS:
            return 405
        origin = request.headers.get("Origin")
        if request.method in {"GET", "HEAD", "OPTIONS"} and "Upgrade" not in request.headers:
            return None
        return None if origin is None or HostNames.same(origin, request.headers["Host"]) else 403


def _local_address(request: HTTPServerRequest) -> str:
    stream = getattr(request.connection, "stream", None)
    sock = getattr(stream, "socket", None)
    return "" if sock is None else str(sock.getsockname()[0])


class BoundedServer(HTTPServer):
    """Closes what keeps it waiting, and has only so many connections open."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self._open: set[IOStream] = set()
        self._waiting: dict[IOStream, None] = {}

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Take a connection, or close it where there are too many."""
        if len(self._open) >= MOST_CONNECTIONS or len(self._waiting) >= MOST_WAITING:
            self._open = {s for s in self._open if not s.closed()}
            self._waiting = {s: None for s in self._waiting if not s.closed()}
        if len(self._open) >= MOST_CONNECTIONS:
            stream.close()
            return
        if len(self._waiting) >= MOST_WAITING:
            next(iter(self._waiting)).close()
        self._open.add(stream)
        self._waiting[stream] = None
        super().handle_stream(stream, address)

    def heard(self, request: HTTPServerRequest) -> None:
        """A request came: its connection waits no longer."""
        stream: Any = getattr(request.connection, "stream", None)
        self._waiting.pop(stream, None)
