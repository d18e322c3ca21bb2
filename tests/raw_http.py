"""Requests as no library would send them, and the log-in of a visitor, without a browser."""

import http.client
import re
import socket
import urllib.parse
from typing import Any

from waiting import LIMIT

__all__ = ["Answer", "ask", "connect", "log_in", "send_raw", "status_of"]


class Answer:
    """Status, headers and text of an answer; of a header that comes twice the last."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers = answer.status, answer.headers
        self.text = answer.read().decode()

    @property
    def cookies(self) -> str:
        """The cookies it sets, as they go into the header of the next request."""
        return "; ".join(cookie.partition(";")[0] for cookie in self.headers.get_all("Set-Cookie", []))


def ask(port: int, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
    """Send a request to the loopback as it stands here; underscores in names of headers become dashes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
        if body:
            named |= {"Content-Length": str(len(body)), "Content-Type": "application/x-www-form-urlencoded"}
        for name, value in named.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode() or None)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def status_of(port: int, path: str, method: str = "GET", body: str = "", **headers: str) -> int:
    """Status that a request is answered with."""
    return ask(port, path, method, body, **headers).status


def connect(port: int) -> socket.socket:
    """An open connection to the loopback."""
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)


def send_raw(port: int, request: bytes) -> bytes:
    """What comes back for these bytes until the other side closes."""
    with connect(port) as link:
        link.sendall(request)
        parts = []
        while part := link.recv(65536):
            parts.append(part)
    return b"".join(parts)


def log_in(server: Any, name: str = "", token: str | None = None) -> str:
    """Log in to the dashboards' server through its form; the cookie to send from then on."""
    form = ask(server.port, "/login")
    (forgery,) = re.findall(r'name="_xsrf" value="([^"]+)"', form.text)
    fields = {"_xsrf": forgery, "log-in-token": server.token if token is None else token, "name": name}
    done = ask(server.port, "/login", "POST", urllib.parse.urlencode(fields), Cookie=form.cookies)
    assert done.status == 303, done.text
    return done.cookies
