"""How the dashboard's server treats kernels and their connections: two corrections of Voilà 0.5.

Two classes that Voilà is configured to use, each for a defect in version 0.5.13:

- a websocket client that does not offer the sub-protocol v1 makes the server read a legacy frame as a
  table of 10¹⁷ offsets, until its memory is full: such a client is turned away;
- a kernel that waited in the pool for longer than the idle time is culled in the moment between its
  page being served and the browser connecting: the clock of a kernel starts when it leaves the pool,
  and runs too for a kernel whose page was fetched by a client that never connects.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

__all__ = ["PoolAwareKernelManager", "VersionOneConnection"]

VERSION_ONE = "v1.kernel.websocket.jupyter.org"


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


class PoolAwareKernelManager(AsyncMappingKernelManager):
    """Culls idle kernels, but none that waits in the pool or has just left it."""

    def __init__(self, **kwargs: Any) -> None:
        self._outside_since: dict[str, datetime] = {}
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]  # untyped base

    def _waits_in_pool(self, kernel_id: str) -> bool:
        for pool in getattr(self, "_pools", {}).values():
            for task in pool:
                if not task.done():
                    continue
                if task.cancelled() or task.exception() is not None:
                    continue
                if task.result().get("kernel_id") == kernel_id:
                    return True
        return False

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """Cull a kernel that is idle and has been outside the pool for the idle time."""
        if self._waits_in_pool(kernel_id):
            self._outside_since.pop(kernel_id, None)
            return
        since = self._outside_since.setdefault(kernel_id, datetime.now(UTC))
        if datetime.now(UTC) - since > timedelta(seconds=self.cull_idle_timeout):
            await super().cull_kernel_if_idle(kernel_id)  # type: ignore[no-untyped-call]  # untyped base
        self._outside_since = {key: value for key, value in self._outside_since.items() if key in self}
