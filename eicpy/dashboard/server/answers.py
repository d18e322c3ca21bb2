"""How every handler answers: our headers, errors in the reader's words, no traceback, no version."""

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qs

from tornado import web
from tornado.iostream import StreamClosedError
from traitlets.log import get_logger

from eicpy.dashboard.server.policy import FILES, HEADERS
from eicpy.dashboard.server.short_pages import POLICY, reader_language, short_page
from eicpy.errors import readable
from eicpy.text import Texts

__all__ = ["ShortAnswers", "guarded"]


class ShortAnswers(web.RequestHandler):
    """Headers and errors of ours, to be put before any handler of Tornado, Jupyter or Voilà."""

    policy = FILES
    """Content policy of a good answer."""

    @property
    def content_security_policy(self) -> str:
        """Content policy of a good answer, by the name that Jupyter's handlers know."""
        return self.policy

    def set_default_headers(self) -> None:
        """Our headers instead of theirs."""
        super().set_default_headers()
        self.clear_header("Server")  # it names the version
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", self.content_security_policy)

    @property
    def texts(self) -> Texts:
        """Words in the language of the reader."""
        asked = parse_qs(self.request.query[:2000], errors="replace").get("lang", [])
        return Texts(reader_language(asked, self.request.headers.get("Accept-Language", "")))

    def answer(
        self, status: int, title: str, parts: Sequence[str], *, refresh: int | None = None, script: str = ""
    ) -> None:
        """Send a page of a few words."""
        self.set_status(status)
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        page = short_page(self.texts, title, parts, refresh=refresh, script=script)
        web.RequestHandler.finish(self, page)  # that of Jupyter's interfaces would call it JSON

    def log_exception(self, kind: Any, error: Any, traceback: Any) -> None:
        """Log an error of ours, without what may hold a token; a refusal is none, nor a visitor who left."""
        if not isinstance(error, (web.HTTPError, StreamClosedError)):
            what = f"{self.request.method} {readable(self.request.path[:200])}"
            get_logger().error("%s", what, exc_info=(kind, error, traceback))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error in words; of what went wrong inside only that it is logged."""
        texts, key = self.texts, f"http_{status_code}"
        title, words = texts(key), texts(f"{key}_note")
        if title == key:  # one that has no words of its own
            title, words = texts("http_other"), ""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, web.HTTPError) and error.reason:
            words = error.reason
        retry = self._headers.get("Retry-After")
        self.clear()
        if retry:
            self.set_header("Retry-After", retry)
        note = f'<p class="note">HTTP {status_code}</p>'
        ways = self._ways(texts) if status_code == 404 else ""
        self.answer(status_code, title, [f"<p>{escape(words)}</p>", note, ways])

    def _ways(self, texts: Texts) -> str:
        """Links to the pages that there are."""
        pages: dict[str, str] = self.settings.get("pages", {"/": "page_camera"})
        links = (
            f'<a href="{escape(address)}?lang={texts.language}">{escape(texts(key))}</a>'
            for address, key in pages.items()
        )
        return f"<p>{' · '.join(links)}</p>"


def guarded(handler: type[web.RequestHandler]) -> type[web.RequestHandler]:
    """The same handler with our headers and errors.

    Parameters
    ----------
    handler
        Of Tornado, Jupyter or Voilà.
    """
    if issubclass(handler, ShortAnswers):
        return handler
    base: Any = handler
    return type(f"Guarded{handler.__name__}", (ShortAnswers, base), {})
