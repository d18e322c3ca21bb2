"""How the dashboard's server treats kernels and their connections: corrections of Voilà 0.5.

- A websocket client that does not offer the sub-protocol v1 makes the server read a legacy frame as a
  table of 10¹⁷ offsets, until its memory is full: such a client is turned away (version 0.5.13).
- A kernel ends when its visit is over (:mod:`eicpy.dashboard.server.visits`), whether it is idle or not.
- What a kernel writes about its own errors stays here: a browser gets widgets and their data, no tracebacks.
"""

import asyncio
import contextlib
import json
from contextvars import ContextVar
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web
from traitlets import Float, Integer
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from eicpy.dashboard.server.visits import CLAIM_TIMEOUT, Limits, Visit, Visits

__all__ = [
    "VISIT",
    "KernelSocket",
    "VersionOneConnection",
    "VisitKernelManager",
    "is_for_browsers",
]

VERSION_ONE = "v1.kernel.websocket.jupyter.org"
VISIT: ContextVar[Visit | None] = ContextVar("visit", default=None)
"""The visit for which a page is being drawn."""
FOR_BROWSERS = frozenset(
    {
        "comm_open", "comm_msg", "comm_close", "comm_info_reply", "kernel_info_reply", "shutdown_reply",
        "status", "display_data", "update_display_data", "clear_output",
    }
)  # fmt: skip
"""Types of message that a page needs. Not ``error`` and ``stream``, which carry tracebacks and warnings."""
_LOGGED = 20
"""Errors of one page that are logged."""


def is_for_browsers(message: dict[str, Any]) -> bool:
    """Whether a browser may have a message of a kernel.

    Parameters
    ----------
    message
        Its type and content: ``{"type": …, "content": …}``.
    """
    content = message["content"]
    return message["type"] in FOR_BROWSERS and not (isinstance(content, dict) and "traceback" in content)


def _parts(message: bytes | dict[str, Any]) -> dict[str, Any]:
    """Type and content of a message as it goes to a browser (sub-protocol v1: offsets, then parts)."""
    if isinstance(message, dict):
        return {"type": message.get("header", {}).get("msg_type", ""), "content": message.get("content")}
    count = int.from_bytes(message[:8], "little")
    offsets = [int.from_bytes(message[8 * i : 8 * i + 8], "little") for i in range(1, min(count, 5000) + 1)]
    header = json.loads(message[offsets[1] : offsets[2]])
    kind = str(header.get("msg_type", ""))
    # The data of figures are large and are not read; what may hold a traceback is.
    read = kind.endswith("_reply") or kind not in FOR_BROWSERS
    return {"type": kind, "content": json.loads(message[offsets[4] : offsets[5]]) if read else None}


class VersionOneConnection(ZMQChannelsWebsocketConnection):
    """A connection to a kernel that speaks the sub-protocol v1, or none at all."""

    def connect(self) -> "asyncio.Future[None] | None":  # type: ignore[override]  # as its base has it
        """Close with code 1002 (protocol error, RFC 6455 §7.4.1) unless the client offered v1."""
        if self.subprotocol != VERSION_ONE:
            self.log.warning("closed a websocket that offered %r, not %s", self.subprotocol, VERSION_ONE)
            self.websocket_handler.close(1002, f"expected {VERSION_ONE}")
            refused: asyncio.Future[None] = asyncio.Future()
            refused.set_result(None)
            return refused
        return super().connect()

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Ignore whatever still arrives before the close of a refused client."""
        if self.subprotocol == VERSION_ONE:
            super().handle_incoming_message(incoming_msg)


class KernelSocket(VoilaKernelWebsocketHandler):  # type: ignore[misc]  # untyped base
    """A page's connection to its kernel: few for each, of the same operator, without tracebacks."""

    _visit: Visit | None = None
    _withheld = 0

    async def get(self, kernel_id: str) -> None:
        """Connect to a kernel that a page has.

        Raises
        ------
        tornado.web.HTTPError
            404 where there is none, 403 where another operator opened it, 429 where it has enough.
        """
        visits: Visits = self.kernel_manager.visits
        visit = visits.of(kernel_id)
        if visit is None or kernel_id not in self.kernel_manager:
            raise web.HTTPError(404)
        user = self.current_user
        if visit.operator and (user is None or visit.user != user.username):
            raise web.HTTPError(403)
        if not visits.connect(visit):
            raise web.HTTPError(429)
        self._visit = visit
        await super().get(kernel_id)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """The sub-protocol; none for a client that left during the handshake."""
        if self.connection is None:
            raise web.HTTPError(400)
        chosen: str | None = super().select_subprotocol(subprotocols)
        return chosen

    def _release(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            self.kernel_manager.visits.disconnect(visit)

    def on_finish(self) -> None:
        """A handshake that failed counts no longer."""
        if self.get_status() != 101:  # Switching Protocols (RFC 9110 §15.2.2)
            self._release()
        super().on_finish()

    def on_close(self) -> None:
        """The connection has ended."""
        self._release()
        super().on_close()

    def write_message(self, message: Any, binary: bool = False) -> Any:  # noqa: FBT001, FBT002 - as its base
        """Send a message that is for browsers; log another one."""
        parts = _parts(message) if isinstance(message, (bytes, dict)) else {"type": "", "content": None}
        if is_for_browsers(parts):
            return super().write_message(message, binary=binary)
        content = parts["content"] if isinstance(parts["content"], dict) else {}
        words = "\n".join(content.get("traceback") or [str(content.get("text", ""))])
        if "Traceback" in words or parts["type"] == "error":
            self._withheld += 1
            if self._withheld <= _LOGGED:
                self.log.warning("withheld from a page's browser: %s", words[:4000])
        return None


class VisitKernelManager(AsyncMappingKernelManager):
    """Keeps the account of visits, and ends the kernels of those that are over."""

    most_kernels = Integer(8, help="Kernels of all visitors").tag(config=True)
    most_per_address = Integer(6, help="Kernels of one remote address").tag(config=True)
    claim_timeout = Float(CLAIM_TIMEOUT, help="s for a browser to connect").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]  # untyped base
        limits = Limits(self.most_kernels, self.most_per_address)
        self.visits = Visits(limits, float(self.cull_idle_timeout), self.claim_timeout)

    async def start_kernel(self, **kwargs: Any) -> str:  # type: ignore[override]  # as its base has it
        """Start the kernel of the visit for which a page is being drawn."""
        visit = VISIT.get()
        kernel_id: str = await super().start_kernel(**kwargs)
        if visit is not None:
            visit.kernel = kernel_id
            if visit.has_left():
                await self.end(visit)
        return kernel_id

    async def shutdown_kernel(self, kernel_id: str, *args: Any, **options: Any) -> None:  # type: ignore[override]  # as its base has it
        """End a kernel, and the visit that had it."""
        try:
            await super().shutdown_kernel(kernel_id, *args, **options)  # type: ignore[no-untyped-call]  # untyped base
        finally:
            visit = self.visits.of(kernel_id)
            if visit is not None:
                self.visits.end(visit)

    async def end(self, visit: Visit) -> None:
        """End a visit and its kernel; its memory is free afterwards."""
        visit.leave()
        if visit.kernel is None:
            return  # not started yet: whoever starts it ends it
        if visit.kernel in self:
            with contextlib.suppress(KeyError, web.HTTPError):  # its page said farewell meanwhile
                await self.shutdown_kernel(visit.kernel, now=True)
        self.visits.end(visit)

    async def lives(self, visit: Visit) -> bool:
        """Whether the kernel of a visit runs; where it died, the visit is over."""
        if visit.kernel is None:
            return True  # not started yet
        if visit.kernel in self:
            kernel: Any = self.get_kernel(visit.kernel)
            if await kernel.is_alive():
                return True
        self.log.warning("the kernel of a page of %s has gone", visit.address)
        await self.end(visit)
        return False

    async def end_of(self, user: str) -> None:
        """End all visits of a log-in."""
        for visit in self.visits:
            if visit.user == user:
                await self.end(visit)

    async def cull_kernels(self) -> None:
        """End the visits that are over, and kernels that no visit has."""
        for visit in self.visits.over():
            self.log.info("a page of %s is over", visit.address)
            await self.end(visit)
        for visit in self.visits:
            await self.lives(visit)
        await super().cull_kernels()  # type: ignore[no-untyped-call]  # untyped base

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End a kernel that nobody has for the idle time."""
        if self.visits.of(kernel_id) is None:
            await super().cull_kernel_if_idle(kernel_id)  # type: ignore[no-untyped-call]  # untyped base
