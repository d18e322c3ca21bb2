"""Who a visitor is: the token that lets in, the name under which orders are given, log-in and log-out.

One token is shared by those who may look, or under ``--orders`` by those who may give orders. Whoever knows
it says a name once, at the log-in. Name and log-in are kept in a signed cookie that no script can read and no
other site can send, so a page knows its operator from the log-in and nothing that is typed on the page can
change it. The name is claimed, not proved: who must be told apart for certain gets an account of a proxy.
"""

import hmac
import secrets
import time
from collections import deque
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from jupyter_server.auth import IdentityProvider, User
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from eicpy.dashboard.server.answers import ShortAnswers
from eicpy.errors import readable

__all__ = ["LogInHandler", "LogOutHandler", "TokenIdentity", "operator_of"]

LONGEST_NAME = 60
LOGIN_DAYS = 7
TRIES, TRY_TIME = 10, 60.0
"""Wrong tokens accepted from one address within so many seconds."""
_OPERATOR = "operator:"


def operator_of(user: User | None) -> str:
    """Name under which a visitor gives orders; empty for one who only looks."""
    return user.name if user is not None and user.username.startswith(_OPERATOR) else ""


class TokenIdentity(IdentityProvider):
    """Lets in who knows the token, compared in constant time; everybody where there is none."""

    orders = False
    """Whether a name is asked for at the log-in."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["login_handler_class"], kwargs["logout_handler_class"] = LogInHandler, LogOutHandler
        super().__init__(**kwargs)
        self.cookie_options = {"samesite": "Strict", "httponly": True, "expires_days": LOGIN_DAYS}
        self.get_secure_cookie_kwargs = {"max_age_days": LOGIN_DAYS}
        self._wrong: dict[str, deque[float]] = {}

    @property
    def auth_enabled(self) -> bool:
        """Whether a token is asked for."""
        return bool(self.token)

    def knows(self, handler: JupyterHandler, token: str) -> bool:
        """Whether this is the token; wrong ones are counted.

        Raises
        ------
        tornado.web.HTTPError
            429 where too many wrong ones came from this address of late.
        """
        now, address = time.monotonic(), handler.request.remote_ip or ""
        self._wrong = {key: tries for key, tries in self._wrong.items() if tries[-1] > now - TRY_TIME}
        tries = self._wrong.get(address, deque(maxlen=TRIES))
        if len(tries) == TRIES and tries[0] > now - TRY_TIME:
            handler.set_header("Retry-After", str(round(TRY_TIME)))
            raise web.HTTPError(429)
        if hmac.compare_digest(token.encode(), self.token.encode()):
            return True
        tries.append(now)
        self._wrong[address] = tries
        return False

    async def get_user_token(self, handler: Any) -> User | None:
        """The visitor who gives the token in the address or in the header Authorization."""
        token = self.get_token(handler) if self.token else None
        if not token or not self.knows(handler, token):
            return None
        user = self.get_user_cookie(handler)
        return user if isinstance(user, User) else self.generate_anonymous_user(handler)

    def generate_anonymous_user(self, _handler: Any) -> User:
        """A visitor without a name."""
        return User(f"visitor:{secrets.token_hex(8)}")

    @staticmethod
    def operator(name: str) -> User:
        """A visitor who gave a name."""
        return User(f"{_OPERATOR}{secrets.token_hex(8)}", name)


def _own_address(address: str) -> str:
    """The address to go on to after the log-in: one of this server, else its first page."""
    parts = urlsplit(address)
    strange = "\\" in address or not address.isprintable() or address.startswith("//")
    return "/" if strange or parts.scheme or parts.netloc or not address.startswith("/") else address


class _FormHandler(ShortAnswers, JupyterHandler):
    """A form that only our own page can send."""

    identity_provider: TokenIdentity

    def check_xsrf_cookie(self) -> None:
        """Compare the token of the form with that of the cookie, also for who sends the log-in token."""
        web.RequestHandler.check_xsrf_cookie(self)

    def form(self, *fields: str, button: str, action: str = "") -> str:
        """A form with the token against forgery."""
        return (
            f'<form method="post" action="{escape(action or self.request.uri or "")}">{self.xsrf_form_html()}'
            f'{"".join(fields)}<button type="submit">{escape(button)}</button></form>'
        )


class LogInHandler(_FormHandler):
    """Asks for the token, and for the name where orders can be given."""

    @allow_unauthenticated
    def get(self) -> None:
        """Show the form; nothing to do where no token is asked for."""
        if not self.identity_provider.auth_enabled:
            self.redirect(_own_address(self.get_argument("next", "/")))
            return
        self._ask()

    @allow_unauthenticated
    def post(self) -> None:
        """Check the form and go on to the page that was asked for."""
        if not self.identity_provider.auth_enabled:
            raise web.HTTPError(405)
        name = readable(self.get_body_argument("name", "")[: 4 * LONGEST_NAME]).strip()[:LONGEST_NAME]
        if not self.identity_provider.knows(self, self.get_body_argument("log-in-token", "")):
            self._ask(401, "log_in_wrong", name)
        elif self.identity_provider.orders and not name:
            self._ask(400, "name_needed")
        else:
            named = self.identity_provider.operator(name) if name else None
            user = named or self.identity_provider.generate_anonymous_user(self)
            self.identity_provider.set_login_cookie(self, user)
            self.log.info("%s logged in from %s", name or "a visitor", self.request.remote_ip)
            self.redirect(_own_address(self.get_argument("next", "/")), status=303)

    def _ask(self, status: int = 200, problem: str = "", name: str = "") -> None:
        texts, orders = self.texts, self.identity_provider.orders
        fields = [_field(texts("log_in_token"), "log-in-token", "password", "current-password")]
        if orders:
            fields.append(_field(texts("log_in_name"), "name", "text", "name", name))
        parts = [f'<p class="error" role="alert">{escape(texts(problem))}</p>'] if problem else []
        parts.append(f'<p class="note">{escape(texts("log_in_orders" if orders else "log_in_note"))}</p>')
        action = "/login?" + urlencode(
            {"next": _own_address(self.get_argument("next", "/")), "lang": texts.language}
        )
        parts.append(self.form(*fields, button=texts("log_in"), action=action))
        self.answer(status, texts("log_in"), parts, script="/voila/templates/eicpy/static/log-in.js")


def _field(label: str, name: str, kind: str, complete: str, value: str = "") -> str:
    return (
        f'<label><span>{escape(label)}</span><input name="{name}" type="{kind}" autocomplete="{complete}" '
        f'maxlength="200" value="{escape(value)}" required></label>'
    )


class LogOutHandler(_FormHandler):
    """Ends a log-in, and the pages that were opened with it."""

    @allow_unauthenticated
    def get(self) -> None:
        """Ask, so that no foreign page can log anybody out."""
        if not self.identity_provider.auth_enabled:
            raise web.HTTPError(404)
        if self.current_user is None:
            self.redirect("/login")
            return
        texts, name = self.texts, operator_of(self.current_user)
        words = texts("logged_in_as", name=name) if name else texts("logged_in")
        note = f'<p>{escape(words)}</p><p class="note">{escape(texts("log_out_note"))}</p>'
        self.answer(200, texts("log_out"), [note, self.form(button=texts("log_out"))])

    @allow_unauthenticated
    async def post(self) -> None:
        """Forget the log-in and end its kernels."""
        if not self.identity_provider.auth_enabled:
            raise web.HTTPError(405)
        user, texts = self.current_user, self.texts
        self.identity_provider.clear_login_cookie(self)
        if user is not None:
            await self.kernel_manager.end_of(user.username)  # type: ignore[attr-defined]  # our own manager
        again = f'<p><a href="/login?lang={texts.language}">{escape(texts("log_in"))}</a></p>'
        self.answer(200, texts("logged_out"), [f"<p>{escape(texts('logged_out_note'))}</p>", again])
