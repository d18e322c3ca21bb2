"""How the server starts the kernels of the pages: forked from a process that has everything imported.

Where that process is not there (no such system, or it died) a kernel is started as Jupyter does, only slower.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

__all__ = ["NAME", "ForkProvisioner", "ForkedKernel", "NurseryLink", "register"]

NAME = "eicpy-fork"
"""Name of the provisioner in the description of our kernel."""
ANSWER_TIMEOUT = 120.0
"""s: everything has to be imported before the first answer."""


def _end_once(over: "asyncio.Future[None]") -> None:
    if not over.done():
        over.set_result(None)


class ForkedKernel:
    """A kernel that is no child of this process, as :class:`subprocess.Popen` shows one that is.

    Parameters
    ----------
    pid
        Process id, just started.

    Raises
    ------
    ProcessLookupError
        If it has ended already.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", -1), -1
        if handle >= 0:
            os.close(handle)

    def poll(self) -> int | None:
        """None while it runs; then 0, since its exit code is known to its parent alone."""
        if self.returncode is None:
            try:
                signal.pidfd_send_signal(self._handle, 0)
            except ProcessLookupError:
                self.returncode = 0
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises
        ------
        subprocess.TimeoutExpired
            If it still runs after the timeout (s).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            time.sleep(0.02)
        return 0

    async def ended(self) -> None:
        """Wait for its end, without holding up others."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._handle, _end_once, over)
        try:
            await over
        finally:
            loop.remove_reader(self._handle)

    def send_signal(self, number: int) -> None:
        """Send a signal; harmless after its end."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _take(file: Path) -> str:
    """Read a small file and remove it; empty where it is not there."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:  # whoever should have written it failed, and said so in the log
        return ""
    finally:
        file.unlink(missing_ok=True)


class NurseryLink:
    """The nursery, as the server sees it.

    Parameters
    ----------
    process
        The nursery.
    link
        Connection to its standard input.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", link: socket.socket) -> None:
        self.process = process
        self._socket: socket.socket | None = link
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._answers = asyncio.Event()
        """Set when it has answered once: everything is imported."""

    async def fork(self, arguments: list[str], environment: Mapping[str, str], folder: str) -> ForkedKernel:
        """Fork a kernel.

        Parameters
        ----------
        arguments
            Of the kernel.
        environment, folder
            In which it works.

        Raises
        ------
        OSError
            If the nursery does not answer, or the kernel ended at once.
        """
        return await self._ask({"arguments": arguments, "environment": dict(environment), "folder": folder})

    async def tell(self, query: str, file: Path, seconds: float) -> str:
        """Ask what is known before a page has a kernel.

        Parameters
        ----------
        query
            Of the page's address.
        file
            To be written by the child; is removed.
        seconds
            To wait at most.

        Returns
        -------
        str
            HTML; empty where nothing is known in time, or nobody answers.
        """
        asked = {
            "tell": {"query": query, "file": str(file)},
            "environment": dict(os.environ),
            "folder": str(file.parent),
        }
        child: ForkedKernel | None = None
        try:
            async with asyncio.timeout(seconds):
                await self._answers.wait()  # nothing is asked that would be answered too late
                with suppress(ProcessLookupError):  # it was faster
                    child = await self._ask(asked)
                    await child.ended()
        except (OSError, TimeoutError):
            if child is not None:
                child.kill()
            return ""
        return _take(file)

    async def _ask(self, asked: Mapping[str, Any]) -> ForkedKernel:
        return await asyncio.shield(asyncio.ensure_future(self._ask_whole(asked)))

    async def _ask_whole(self, asked: Mapping[str, Any]) -> ForkedKernel:
        """Ask and read the answer; never given up halfway, or the next one would read the answer of this."""
        async with self._one_at_a_time:
            if self._streams is None:
                if self._socket is None:
                    raise ConnectionError("the nursery was closed")
                self._streams = await asyncio.open_connection(sock=self._socket)
            reader, writer = self._streams
            writer.write(json.dumps(asked).encode() + b"\n")
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await writer.drain()
                answer = await reader.readline()
        if not answer.endswith(b"\n"):
            raise ConnectionError("the nursery has gone")
        self._answers.set()
        return ForkedKernel(int(answer))

    def close(self) -> None:
        """End it, and the kernels that still run."""
        if self._streams is not None:
            self._streams[1].close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class ForkProvisioner(LocalProvisioner):
    """Starts a kernel by a fork of the nursery."""

    nursery: ClassVar[NurseryLink | None] = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork, or start a process where that cannot be."""
        if self.nursery is None:
            return await super().launch_kernel(cmd, **kwargs)
        folder = str(kwargs.get("cwd") or Path.cwd())
        # python -m ipykernel_launcher ARGUMENTS
        arguments, environment = cmd[3:], kwargs.get("env") or os.environ
        try:
            kernel = await self.nursery.fork(arguments, environment, folder)
        except (OSError, TimeoutError):
            self.log.warning("got no kernel from the nursery: one is started without", exc_info=True)
            return await super().launch_kernel(cmd, **kwargs)
        self.process = kernel  # type: ignore[assignment]  # what is used of a Popen it has
        self.pid = self.pgid = kernel.pid  # it has a session, so a group, of its own
        self.cwd = folder
        return self.connection_info


def register(nursery: NurseryLink | None) -> None:
    """Make the provisioner known to Jupyter in this process.

    Parameters
    ----------
    nursery
        None: kernels are started without one.
    """
    ForkProvisioner.nursery = nursery
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(
        NAME, f"{ForkProvisioner.__module__}:ForkProvisioner", factory.GROUP_NAME
    )
