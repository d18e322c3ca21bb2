"""The handlers of the pages: admission, first words, drawing, sign of life, farewell; and of the reports."""

import asyncio
import contextlib
import os
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from jupyter_server.base.handlers import AuthenticatedFileHandler, JupyterHandler
from tornado import web
from tornado.iostream import StreamClosedError
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from eicpy.dashboard.server.answers import ShortAnswers
from eicpy.dashboard.server.first_words import MARK, first_words
from eicpy.dashboard.server.identity import operator_of
from eicpy.dashboard.server.kernels import VISIT
from eicpy.dashboard.server.policy import REPORTS, page_policy
from eicpy.dashboard.server.request import OPERATOR_HEADER, PageRequest
from eicpy.dashboard.server.visits import RENDER_TIMEOUT, FullError, Visit, Visits
from eicpy.settings import Settings

if TYPE_CHECKING:
    from eicpy.dashboard.server.home import HomePage

__all__ = ["AliveHandler", "FarewellHandler", "PageHandler", "ReportsHandler", "TemplateFiles"]

_DRAWN_AT_ONCE = max(2, os.cpu_count() or 1)
"""Pages drawn at once: more would only make all of them late."""


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


class PageHandler(ShortAnswers, TornadoVoilaHandler):  # type: ignore[misc]  # untyped base
    """A page; a token that came in its address is exchanged for a cookie and goes no further."""

    _drawing: asyncio.Semaphore | None = None
    _visit: Visit | None = None
    _ending: asyncio.Task[None] | None = None

    @property
    def content_security_policy(self) -> str:
        """What a dashboard needs, and no more."""
        return page_policy(self.request.host)

    @web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Send to the same address without the token, else draw the page, or say that no more can be open."""
        if path:
            raise web.HTTPError(404)
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
            await self.kernel_manager.end(visit)
            self.kernel_manager.visits.end(visit)
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
        visits: Visits = self.kernel_manager.visits
        address = self.request.remote_ip or ""
        try:
            return visits.admit(address, user, operator)
        except FullError as full:
            old = [visit for visit in visits.yielding() if not full.own or visit.address == address]
            if not old:
                raise
            await self.kernel_manager.end(min(old, key=lambda visit: visit.alone_since or 0.0))
            return visits.admit(address, user, operator)

    async def _draw(self, visit: Visit) -> None:
        cls = PageHandler
        if cls._drawing is None:
            cls._drawing = asyncio.Semaphore(_DRAWN_AT_ONCE)
        manager = self.kernel_manager
        async with asyncio.timeout(RENDER_TIMEOUT), cls._drawing:
            if visit.has_left():
                await manager.end(visit)
                manager.visits.end(visit)
                return
            words = await asyncio.to_thread(self._first_words)
            token = VISIT.set(visit)
            try:
                async with contextlib.aclosing(self.get_generator()) as page:
                    async for html in page:
                        if visit.has_left():
                            break
                        self.write(html.replace(MARK, words, 1))
                        await self.flush()
            except StreamClosedError:
                visit.leave()
            except Exception:
                if not visit.has_left():
                    raise  # else its kernel was ended under it
            finally:
                VISIT.reset(token)
        if visit.has_left():
            await manager.end(visit)
        else:
            manager.visits.served(visit)

    def _first_words(self) -> str:
        name = Path(self.notebook_path).stem
        asked = PageRequest(self.request.query, os.environ.get("EIC_INSTRUMENT"))
        return first_words(Settings.from_environment(), asked, "" if name == "camera" else name)

    def on_connection_close(self) -> None:
        """The browser left before the page was ready: its kernel is not needed."""
        visit = self._visit
        if visit is not None:
            visit.leave()
            self._ending = asyncio.get_running_loop().create_task(self.kernel_manager.end(visit))
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
