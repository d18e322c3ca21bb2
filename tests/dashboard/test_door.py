"""What the server lets in: a real one, asked as hostile, broken and impatient clients do."""

import json
import re
import urllib.parse
from contextlib import closing, suppress
from pathlib import Path

import pytest
from raw_http import ask, connect, log_in, send_raw, status_of
from waiting import LIMIT, wait_until

from eicpy.dashboard import Server, ServerOptions
from eicpy.dashboard.server.visits import SOCKETS
from eicpy.settings import Settings

PROTOCOL = "v1.kernel.websocket.jupyter.org"
ADDRESSES = (
    "/%00", "/monitor%00", "/reports/%00", "/reports/../eic.sqlite",
    "/reports/%2e%2e/logs/dashboard-server.log", "/voila/templates/eicpy/static/../index.html.j2",
    "/voila/templates/eicpy/static/%2e%2e/x", "/voila/templates/eicpy/x", "/voila/templates/",
    "/voila/templates/a", "/voila/static/..%5c..%5cx", "/voila/static/", "/voila/labextensions/",
    "/voila/api/themes/", "/voila/files/x.py", "/%", "/%zz", "/%ff", "/%c0%ae%c0%ae/x",
    "/x?lang=%ff", "//evil.example", "/\\evil.example", "/a\\b", "/\xe9",
    "/" + "a" * 5000, "/x?" + "a" * 5000, "/api", "/api/contents", "/api/kernels", "/api/kernels/x",
    "/api/terminals", "/api/kernels/00000000-0000-0000-0000-000000000000/channels", "/nbconvert",
    "/metrics", "/favicon.ico", "/voila/query/00000000-0000-0000-0000-000000000000",
    "/voila/api/shutdown/x", "http://evil.example/", "*", "x",
)  # fmt: skip
METHODS = ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A page that draws one widget, and a second one that is never shown."""
    cell = "import ipywidgets\nshown = ipywidgets.HTML('<h1>trivial</h1>')\nshown"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    code = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": cell,
    }
    file = tmp_path_factory.mktemp("notebook") / "trivial.ipynb"
    content = {"cells": [code], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    file.write_text(json.dumps(content))
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory, notebook):
    """For orders, with a token of its own; one page at a time; requests have two seconds."""
    settings = Settings.at(tmp_path_factory.mktemp("home"))
    options = ServerOptions(
        port=0, prepared=False, notebook=notebook, kernels=1, claim_timeout=8.0, request_timeout=2.0,
        cull_interval=1, host_names=("eic.example.org",), cull_idle_timeout=1, orders=True,
    )  # fmt: skip
    with Server(settings, options) as started:
        yield started


@pytest.fixture(scope="module")
def ada(server):
    """The cookie of a log-in."""
    return log_in(server, name="ada")


def _kernels(server):
    """Processes of kernels."""
    found = []
    for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            if "ipykernel" in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


def _config(page):
    return json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def _open(port, kernel, **options):
    import websocket

    address = f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels"
    return websocket.create_connection(address, timeout=LIMIT, subprotocols=[PROTOCOL], **options)


def _refused(port, kernel, **options):
    import websocket

    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        _open(port, kernel, **options)
    return refused.value.status_code


def _a_page(port, **headers):
    """A page, as soon as there is room for it."""
    return wait_until(
        lambda: answer if (answer := ask(port, "/", **headers)).status == 200 else None,
        what="room for a page",
    )


EVERYWHERE = ("/", "/reports/", "/voila/static/voila.js", "/api/kernels/x", "/login", "/nothing")


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize("host", ["evil.example:{port}", "127.0.0.1", "localhost:1", "x.eic.example.org", ""])
def test_a_foreign_host_is_refused_everywhere_in_words(server, path, host):
    answer = ask(server.port, path, Host=host.format(port=server.port), Accept_Language="fr")
    assert answer.status == 403
    assert "Pas sous ce nom" in answer.text
    assert "--host-name" in answer.text


@pytest.mark.parametrize(
    "host", ["eic.example.org", "eic.example.org:443", "localhost:{port}", "[::1]:{port}"]
)
def test_own_and_named_hosts_are_answered(server, host):
    assert status_of(server.port, "/nothing", Host=host.format(port=server.port)) == 404


def test_a_request_without_a_host_is_refused(server):
    assert send_raw(server.port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert send_raw(server.port, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("address", ADDRESSES)
def test_odd_addresses_are_not_found_or_not_understood(server, ada, address):
    host = f"Host: 127.0.0.1:{server.port}\r\nCookie: {ada}\r\nConnection: close"
    line = f"GET {address} HTTP/1.1\r\n{host}\r\n\r\n"
    answer = send_raw(server.port, line.encode("latin-1"))
    assert int(answer[9:12]) in {400, 403, 404, 405, 414}
    assert b"Traceback" not in answer
    assert str(server.settings.home).encode() not in answer


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", EVERYWHERE)
def test_no_method_upsets_it(server, method, path):
    status = status_of(server.port, path, method)
    assert status in {200, 302, 400, 403, 404, 405}
    assert status == 405 or method in {"HEAD", "POST", "DELETE", "OPTIONS"}


@pytest.mark.parametrize("path", EVERYWHERE[1:])
def test_headers_of_every_answer(server, path):
    answer = ask(server.port, path)
    assert "Server" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    policy = answer.headers["Content-Security-Policy"]
    for directive in ("default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors"):
        assert directive in policy
    assert "unsafe-eval" not in policy


def test_what_changes_something_comes_from_a_page_of_ours(server, ada):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert status_of(server.port, "/voila/api/shutdown/x", "POST", Origin=origin, Cookie=ada) == 403
    own = {"Origin": server.url.rstrip("/"), "Cookie": ada}
    assert status_of(server.port, "/voila/api/shutdown/x", "POST", **own) == 404


def test_an_address_that_is_none_leads_to_the_pages(server):
    answer = ask(server.port, "/nonsense?lang=fr")
    assert answer.status == 404
    for link in ('href="/?lang=fr"', 'href="/reports/?lang=fr"'):
        assert link in answer.text


def test_a_page_learns_that_its_kernel_has_gone(server, ada):
    nobody = "/alive/00000000-0000-0000-0000-000000000000"
    assert status_of(server.port, nobody, Cookie=ada) == 404
    assert status_of(server.port, nobody) == 302, "log in first"


def test_an_image_of_another_site_starts_no_kernel(server, ada):
    foreign = {
        "Cookie": ada,
        "Sec_Fetch_Site": "cross-site",
        "Sec_Fetch_Mode": "no-cors",
        "Sec_Fetch_Dest": "image",
    }
    assert status_of(server.port, "/", **foreign) == 403
    assert status_of(server.port, "/", **foreign | {"Sec_Fetch_Dest": "iframe"}) == 403


def test_half_open_requests_are_closed_and_shut_nobody_out(server):
    links = [connect(server.port) for _ in range(400)]
    for link in links:
        link.sendall(b"GET / HTTP/1.1\r\nHost: 127.0")
    assert status_of(server.port, "/nothing") == 404
    for link in links:
        with link, suppress(ConnectionResetError):
            assert link.recv(1) == b"", "closed by the server"


class TestOnePage:
    """All of these share one page at a time: each waits until there is room."""

    def test_full_is_said_in_words_and_a_page_that_nobody_connects_to_makes_room(self, server, ada):
        page = _a_page(server.port, Cookie=ada)
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert not re.search(r"<script(?![^>]*(src=|json))[^>]*>", page.text)
        full = ask(server.port, "/?lang=fr", Cookie=ada)
        assert full.status == 503
        assert 1 <= int(full.headers["Retry-After"]) <= 30
        assert f'http-equiv="refresh" content="{full.headers["Retry-After"]}"' in full.text
        assert "Complet" in full.text
        assert "1 page est ouverte, sur 1" in full.text
        assert "http" not in full.text.replace("http-equiv", "")
        assert "Full" in ask(server.port, "/", Cookie=ada).text
        kernel = _config(page.text)["kernelId"]
        wait_until(
            lambda: status_of(server.port, f"/api/kernels/{kernel}", Cookie=ada) == 404,
            what="the end of its kernel",
        )

    def test_a_page_has_few_connections_and_none_from_elsewhere(self, server, ada):
        """200 idle websockets: some are connected, the others refused, and the server answers."""
        page = _a_page(server.port, Cookie=ada)
        kernel = _config(page.text)["kernelId"]
        sockets = [_open(server.port, kernel, cookie=ada)]  # holds the kernel
        for origin in ("http://evil.example", f"http://evil.example:{server.port}", "null"):
            assert _refused(server.port, kernel, cookie=ada, origin=origin) == 403
        foreign = f"evil.example:{server.port}"
        assert _refused(server.port, kernel, cookie=ada, host=foreign, origin=f"http://{foreign}") == 403
        sockets += [_open(server.port, kernel, cookie=ada) for _ in range(SOCKETS - 1)]
        assert {_refused(server.port, kernel, cookie=ada) for _ in range(200 - SOCKETS)} == {429}
        assert status_of(server.port, "/nothing") == 404
        for socket in sockets:
            socket.close()
        wait_until(
            lambda: status_of(server.port, f"/api/kernels/{kernel}", Cookie=ada) == 404,
            what="the end after the last",
        )

    def test_a_browser_that_leaves_while_its_page_is_drawn_takes_its_kernel_along(self, server, ada):
        """Within the five minutes that drawing may take."""
        wait_until(lambda: not _kernels(server), what="the end of the kernel before")
        with connect(server.port) as link:
            head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {ada}\r\n\r\n"
            link.sendall(head.encode())
            wait_until(lambda: _kernels(server), what="its kernel")
        wait_until(lambda: not _kernels(server), what="the end of its kernel")

    def test_errors_of_a_widget_stay_on_the_server(self, server, ada):
        from jupyter_client.session import Session
        from jupyter_server.services.kernels.connection import base

        page = _a_page(server.port, Cookie=ada)
        kernel, widget = _config(page.text)["kernelId"], re.search(r'"model_id": "([0-9a-f]+)"', page.text)[1]
        session, got = Session(key=b""), []

        def send(socket, kind, content):
            message = session.serialize(session.msg(kind, content))[2:]  # no identities, no signature
            socket.send_binary(base.serialize_msg_to_ws_v1(message, "shell"))

        with closing(_open(server.port, kernel, cookie=ada)) as socket:
            bad = {"method": "update", "state": {"value": {"no": "text"}}}
            send(socket, "comm_msg", {"comm_id": widget, "data": bad})
            send(socket, "comm_msg", {"comm_id": "nobody's", "data": {}})
            send(socket, "comm_info_request", {})
            while "comm_info_reply" not in got[-1:]:
                raw = socket.recv()
                assert b"Traceback" not in raw
                assert b"site-packages" not in raw
                _channel, parts = base.deserialize_msg_from_ws_v1(raw)
                got.append(json.loads(parts[0])["msg_type"])
        assert not {"error", "stream"} & set(got)
        log = server.log_file.read_text()
        assert "TraitError" in log, "it did go wrong, and is known here"


def test_orders_always_have_a_token_that_stands_nowhere(server):
    assert len(server.token) >= 32
    assert server.log_in_url == f"{server.url}login#token={server.token}"
    for path in ("/", "/reports/"):
        answer = ask(server.port, path)
        assert (answer.status, answer.headers["Location"][:12]) == (302, "/login?next=")
    ask(server.port, f"/nothing?token={server.token}")
    for kind in ("cmdline", "environ"):
        assert server.token not in Path(f"/proc/{server.pid}/{kind}").read_text(errors="replace")
    written = [file.read_text(errors="replace") for file in server.settings.home.rglob("*") if file.is_file()]
    assert written
    assert not any(server.token in text for text in written)


def test_the_log_in_asks_for_token_and_name_and_its_cookie_is_for_this_site_alone(server):
    form = ask(server.port, "/login?lang=fr&next=//evil.example/x", Accept_Language="en")
    assert "Votre nom" in form.text
    assert "evil" not in form.text
    (forgery,) = re.findall(r'name="_xsrf" value="([^"]+)"', form.text)

    def post(cookie=form.cookies, **fields):
        fields = {"_xsrf": forgery, "log-in-token": server.token, "name": "ada"} | fields
        return ask(server.port, "/login", "POST", urllib.parse.urlencode(fields), Cookie=cookie)

    assert post(cookie="").status == 403, "no other page can send the form"
    assert post(_xsrf="x").status == 403
    wrong = post(**{"log-in-token": "wrong"})
    assert (wrong.status, "This is not the token" in wrong.text) == (401, True)
    nameless = post(name=" \n")
    assert (nameless.status, "Write your name" in nameless.text) == (400, True)
    done = post(name="ada\x1b" + 100 * "<b>")
    assert (done.status, done.headers["Location"]) == (303, "/")
    (cookie,) = [c for c in done.headers.get_all("Set-Cookie") if c.startswith("username-")]
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    asked = ask(server.port, "/logout", Cookie=done.cookies)
    assert re.search("You are logged in as ada[^<]*&lt;b&gt;", asked.text)
    assert "<b>" not in asked.text
    assert len(re.findall("&lt;b&gt;", asked.text)) < 20, "a name has a length"
    again = ask(server.port, "/login?next=https://evil.example", Cookie=done.cookies)
    assert "evil" not in again.text


def test_the_operator_is_that_of_the_log_in_and_its_page_is_his_alone(server, ada):
    eve = log_in(server, name="eve")
    page = _a_page(server.port, Cookie=ada, X_Eic_Operator="mallory")
    kernel = _config(page.text)["kernelId"]
    environments = [
        Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0") for pid in _kernels(server)
    ]
    assert any("HTTP_X_EIC_OPERATOR=ada" in lines for lines in environments)
    assert "mallory" not in str(environments)
    assert server.token not in str(environments)
    assert _refused(server.port, kernel) == 403
    assert _refused(server.port, kernel, cookie=eve) == 403
    with closing(_open(server.port, kernel, cookie=ada)):
        form = ask(server.port, "/logout", Cookie=ada)
        (forgery,) = re.findall(r'name="_xsrf" value="([^"]+)"', form.text)
        assert status_of(server.port, "/logout", "POST", Cookie=ada) == 403
        body = urllib.parse.urlencode({"_xsrf": forgery})
        done = ask(server.port, "/logout", "POST", body, Cookie=f"{ada}; {form.cookies}")
        assert "You are logged out" in done.text
    assert ask(server.port, f"/api/kernels/{kernel}", Cookie=eve).status == 404, "its page has ended"


def test_tokens_cannot_be_tried_for_long(server):
    """Last: this address has to wait afterwards."""
    tried = [status_of(server.port, "/", Authorization=f"token {n}") for n in range(20)]
    assert tried[-1] == 429
    assert 429 not in tried[:5]
