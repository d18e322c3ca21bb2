"""The handlers of the pages: admission, first words, drawing, sign of life, farewell; and of the reports."""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncGenerator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

import voila
from jupyter_server.base.handlers import AuthenticatedFileHandler, JupyterHandler
from tornado import web
from tornado.iostream import StreamClosedError
from traitlets.log import get_logger
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler

from eicpy.dashboard.frame import PAGE_NAMES, problem
from eicpy.dashboard.server.answers import ShortAnswers
from eicpy.dashboard.server.drawing import (
    PageTemplate,
    cell_markup,
    read_notebook,
    run_cells,
    with_signs_of_life,
)
from eicpy.dashboard.server.first_words import first_header, first_words
from eicpy.dashboard.server.identity import operator_of
from eicpy.dashboard.server.kernels import VISIT, VisitKernelManager
from eicpy.dashboard.server.policy import REPORTS, page_policy
from eicpy.dashboard.server.provisioner import ForkProvisioner
from eicpy.dashboard.server.request import OPERATOR_HEADER, PageRequest
from eicpy.dashboard.server.visits import RENDER_TIMEOUT, FullError, Visit, Visits
from eicpy.settings import Settings

if TYPE_CHECKING:
    from eicpy.dashboard.server.home import HomePage

__all__ = ["AliveHandler", "FarewellHandler", "PageHandler", "ReportsHandler", "TemplateFiles"]

_DRAWN_AT_ONCE = max(2, os.cpu_count() or 1)
"""Pages drawn at once: more would only make all of them late."""
_KNOWN_TIMEOUT = 1.5
"""s to wait for what is known of camera and chain, while the browser reads the scripts."""


class ReportsHandler(ShortAnswers, AuthenticatedFileHandler):
    """The reports: static pages that cannot reach the dashboard's kernels, whatever they contain."""

    policy = REPORTS

    def check_xsrf_cookie(self) -> None:
        """Nothing: they are only read, and may be opened by a link in a mail or by their typed address."""

    @web.authenticated
    async def get(self, path: str, include_body: bool = True) -> None:  # type: ignore[override]  # noqa: FBT001, FBT002
        """Send a file of the reports; the index is made for each reader, as it is now."""
        if path not in ("", "index.html"):
            sent = AuthenticatedFileHandler.get(self, path, include_body=include_body)
            if sent is not None:
                await sent
            return
        home: HomePage = self.settings["home"]
        page = await asyncio.to_thread(home.render, self.texts.language)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        web.RequestHandler.finish(self, page if include_body else None)


class TemplateFiles(ShortAnswers, TemplateStaticFileHandler):  # type: ignore[misc]  # untyped base
    """Scripts and styles of the pages' template; any other address under it is not found."""

    def parse_url_path(self, path: str) -> str:
        """Part of the address below the template, checked for the form that Voilà takes for granted."""
        if not re.fullmatch(r"[a-z0-9_-]+/static/.+", path):
            raise web.HTTPError(404)
        return str(super().parse_url_path(path))


class FarewellHandler(ShortAnswers, VoilaShutdownKernelHandler):  # type: ignore[misc]  # untyped base
    """A page says that it is closed: its kernel ends at once.

    The browser sends it while the page goes away, when no header can be added, so it comes without a token
    against forgery. The name of the kernel, which nobody else knows, takes its place; another site's Origin
    is refused before.
    """

    def check_xsrf_cookie(self) -> None:
        """Nothing besides the name of the kernel."""

    @web.authenticated
    async def post(self, kernel_id: str) -> None:
        """End the kernel."""
        visit = self.kernel_manager.visits.of(kernel_id)
        if visit is None:
            raise web.HTTPError(404)
        await self.kernel_manager.end(visit)
        self.set_status(204)
        self.finish()  # not awaited: the browser may be gone


class AliveHandler(ShortAnswers, JupyterHandler):
    """A page that hears nothing asks whether its kernel is still there."""

    @web.authenticated
    async def get(self, kernel_id: str) -> None:
        """Say whether anybody is connected to the kernel.

        Raises
        ------
        tornado.web.HTTPError
            404 where there is no such kernel: the page must be opened again.
        """
        manager: Any = self.kernel_manager
        visit = manager.visits.of(kernel_id)
        if visit is None or not await manager.lives(visit):
            raise web.HTTPError(404)
        manager.visits.asked(visit)
        self.set_header("Cache-Control", "no-store")
        self.finish({"connected": visit.sockets > 0})


class PageHandler(ShortAnswers, JupyterHandler):
    """A page; a token that came in its address is exchanged for a cookie and goes no further."""

    _drawing: asyncio.Semaphore | None = None
    _visit: Visit | None = None
    _ending: asyncio.Task[None] | None = None

    def initialize(self, notebook: Path, template: PageTemplate) -> None:
        """Notebook that is shown, and the page around it."""
        self._notebook, self._template = notebook, template
        self._name = "" if notebook.stem == "camera" else notebook.stem

    @property
    def content_security_policy(self) -> str:
        """What a dashboard needs, and no more."""
        return page_policy(self.request.host)

    @property
    def _manager(self) -> VisitKernelManager:
        manager: Any = self.kernel_manager
        return manager  # type: ignore[no-any-return]  # what the server is configured with

    @web.authenticated
    async def get(self) -> None:
        """Send to the same address without the token, else draw the page, or say that no more can be open."""
        self._refuse_embedding()
        asked = parse_qsl(self.request.query, keep_blank_values=True)
        kept = [(name, value) for name, value in asked if name != "token"]
        if len(kept) != len(asked):
            here = "/" + self.request.path.lstrip("/")  # two slashes would lead to another machine
            self.redirect(f"{here}?{urlencode(kept)}" if kept else here)
            return
        user = self.current_user
        operator = operator_of(user)
        # Whatever a visitor sends under this name is replaced.
        self.request.headers[OPERATOR_HEADER] = quote(operator)
        try:
            visit = await self._admit("" if user is None else user.username, operator)
        except FullError as full:
            self._say_full(full)
            return
        self._visit = visit
        try:
            await self._draw(visit)
        except BaseException:
            await self._manager.end(visit)
            self._manager.visits.end(visit)
            raise

    def _refuse_embedding(self) -> None:
        """A foreign page can have an image or a frame of this address: no kernel is started for it.

        Browsers say what they ask for (Fetch Metadata Request Headers, W3C §2).
        """
        headers = self.request.headers
        destination, site = headers.get("Sec-Fetch-Dest", "document"), headers.get("Sec-Fetch-Site", "none")
        if site in {"cross-site", "same-site"} and destination != "document":
            raise web.HTTPError(403)

    async def _admit(self, user: str, operator: str) -> Visit:
        """Begin a visit; where all kernels are taken, those without a connection give way."""
        visits: Visits = self._manager.visits
        address = self.request.remote_ip or ""
        try:
            return visits.admit(address, user, operator)
        except FullError as full:
            old = [visit for visit in visits.yielding() if not full.own or visit.address == address]
            if not old:
                raise
            await self._manager.end(min(old, key=lambda visit: visit.alone_since or 0.0))
            return visits.admit(address, user, operator)

    async def _draw(self, visit: Visit) -> None:
        cls = PageHandler
        if cls._drawing is None:
            cls._drawing = asyncio.Semaphore(_DRAWN_AT_ONCE)
        manager = self._manager
        async with asyncio.timeout(RENDER_TIMEOUT), cls._drawing:
            if visit.has_left():
                await manager.end(visit)
                manager.visits.end(visit)
                return
            token = VISIT.set(visit)
            try:
                async with contextlib.aclosing(self._parts(visit)) as page:
                    async for html in page:
                        if visit.has_left():
                            break
                        self.write(html)
                        await self.flush()
            except StreamClosedError:
                visit.leave()
            except Exception:
                if not visit.has_left():
                    raise
                get_logger().info("the visitor had left, and the kernel was ended under it", exc_info=True)
            finally:
                VISIT.reset(token)
        if visit.has_left():
            await manager.end(visit)
        else:
            manager.visits.served(visit)

    async def _parts(self, visit: Visit) -> AsyncGenerator[str]:
        """The page in the order in which it becomes known: while its kernel starts, what is known without."""
        notebook, kernel = await asyncio.to_thread(read_notebook, self._notebook), str(uuid4())
        starting = asyncio.create_task(self._start_kernel(kernel))
        try:
            async for words in self._first_words(notebook, kernel):
                yield words
            await starting
            cells = run_cells(notebook, self._manager.get_kernel(kernel))
            async for part in with_signs_of_life(cells):
                yield part if isinstance(part, str) else cell_markup(part)
        except Exception:
            if visit.has_left():
                raise
            get_logger().exception("a page of %s could not be drawn", visit.address)
            yield problem(self.texts("internal_error"), self.texts)
        finally:
            if not starting.done():
                visit.leave()  # who starts it ends it
        yield self._template.end

    async def _first_words(self, notebook: Any, kernel: str) -> AsyncGenerator[str]:
        asked = PageRequest(self.request.query, os.environ.get("EIC_INSTRUMENT"))
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        yield self._template.begin(notebook, kernel, asked.language) + first_header(asked, self._name)
        link, known = ForkProvisioner.nursery, ""
        if link is not None and self._name in PAGE_NAMES:
            file = Path(tempfile.gettempdir()) / f"known-{kernel}.html"
            known = await link.tell(self.request.query, file, _KNOWN_TIMEOUT)
        yield await asyncio.to_thread(first_words, Settings.from_environment(), asked, self._name, known)
        yield self._template.middle

    async def _start_kernel(self, kernel: str) -> None:
        request = self.request
        environment = os.environ | {
            "SCRIPT_NAME": request.path,
            "QUERY_STRING": request.query,
            "SERVER_SOFTWARE": f"voila/{voila.__version__}",
            "SERVER_PROTOCOL": request.version,
            f"HTTP_{OPERATOR_HEADER.upper().replace('-', '_')}": request.headers[OPERATOR_HEADER],
        }
        folder = str(self._notebook.parent)
        await self._manager.start_kernel(kernel_id=kernel, kernel_name="python3", cwd=folder, env=environment)

    def on_connection_close(self) -> None:
        """The browser left before the page was ready: its kernel is not needed."""
        visit = self._visit
        if visit is not None:
            visit.leave()
            self._ending = asyncio.get_running_loop().create_task(self._manager.end(visit))
        super().on_connection_close()

    def _say_full(self, full: FullError) -> None:
        texts = self.texts
        words = texts("full_own" if full.own else "full_all", full.limit, count=full.taken, limit=full.limit)
        retry = texts("full_retry", full.retry, count=full.retry)
        self.set_header("Retry-After", str(full.retry))
        parts = [
            f"<p>{escape(words)}</p>",
            f"<p>{escape(retry)}</p>",
            f'<p class="note">{escape(texts("full_help"))}</p>',
        ]
        self.answer(503, texts("full"), parts, refresh=full.retry)
