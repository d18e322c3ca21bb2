"""What a page of ours may do in a browser: the content policies, and the headers that go with them.

The dashboards need no script in the page itself and none that is made from text (``eval``): all scripts are
files of this server. Widgets and figures write styles into the page, so styles cannot be as strict. A report
is a page of whatever its notebook made: its scripts stand in the page, so it gets a sandbox without an
origin, from which neither the dashboards nor anything elsewhere can be asked for.

References
----------
Content Security Policy Level 3 (W3C), §6 and §2.3.1 (hashes); Referrer Policy (W3C).
"""

import base64
import hashlib

__all__ = ["FILES", "HEADERS", "REPORTS", "page_policy", "short_policy"]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with it a browser sends `Origin: null` with our own forms (Fetch §3.2).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer."""


def _policy(**directives: str) -> str:
    return "; ".join(f"{name.replace('_', '-')} {value}" for name, value in directives.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page_policy(host: str) -> str:
    """Policy of the dashboards.

    Parameters
    ----------
    host
        Header Host, checked: browsers before CSP 3 do not count a websocket to it as ``'self'``.
    """
    return _policy(
        default_src="'none'",
        script_src="'self'",
        style_src="'self' 'unsafe-inline'",
        img_src="'self' data: blob:",
        font_src="'self' data:",
        connect_src=f"'self' ws://{host} wss://{host}",
        object_src="'none'",
        base_uri="'none'",
        form_action="'self'",
        frame_ancestors="'self'",
    )


def short_policy(style: str) -> str:
    """Policy of a page of words and forms.

    Parameters
    ----------
    style
        Its one sheet of style.
    """
    return _policy(
        default_src="'none'",
        script_src="'self'",
        style_src=_hash(style),
        img_src="data:",
        object_src="'none'",
        base_uri="'none'",
        form_action="'self'",
        frame_ancestors="'none'",
    )


FILES = _policy(default_src="'none'", object_src="'none'", base_uri="'none'", frame_ancestors="'none'")
"""Policy of what is no page: scripts, styles, answers to programs."""

REPORTS = _policy(
    default_src="'none'",
    script_src="'self' 'unsafe-inline'",
    style_src="'self' 'unsafe-inline'",
    img_src="'self' data: blob:",
    font_src="'self' data:",
    connect_src="'none'",
    object_src="'none'",
    base_uri="'none'",
    form_action="'none'",
    frame_ancestors="'self'",
    sandbox="allow-scripts allow-downloads allow-popups",
)
"""Policy of the reports."""
