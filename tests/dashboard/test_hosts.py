"""By which names the server answers, which addresses can be, and in which language a reader is answered."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eicpy.dashboard.server.gate import judge_address
from eicpy.dashboard.server.hosts import HostNames
from eicpy.dashboard.server.process import ServerOptions
from eicpy.dashboard.server.short_pages import reader_language
from eicpy.errors import BadArgumentError

OWN = ("127.0.0.1:8866", "localhost:8866", "LOCALHOST:8866", "[::1]:8866")
FOREIGN = (
    "", "evil.example", "evil.example:8866", "127.0.0.1", "127.0.0.1:8867", "localhost", "127.0.0.2:8866",
    "evil.example:8866/127.0.0.1:8866", "127.0.0.1:8866 evil", "localhost.evil.example:8866", "[::1",
    "0.0.0.0:8866", "localhost:8866\t", "127.0.0.1:", "127.0.0.1:08866x", "127.0.0.1:8866@evil", "é:8866",
    "localhost.:8866",
)  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(host):
    assert HostNames("127.0.0.1", 8866).accept(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_not(host):
    assert not HostNames("127.0.0.1", 8866, ["eic.example.org"]).accept(host)


def test_names_of_a_proxy_or_a_tunnel_are_answered_at_any_port_or_at_theirs():
    names = HostNames("127.0.0.1", 8866, ["EIC.example.org", "localhost:9000"])
    assert all(
        map(names.accept, ("eic.example.org", "eic.example.org:8443", "localhost:9000", "localhost:8866"))
    )
    assert not any(map(names.accept, ("localhost:9001", "x.eic.example.org", "eic.example.org.evil.example")))


def test_a_server_on_all_addresses_answers_by_the_one_that_was_connected_to():
    names = HostNames("0.0.0.0", 8866)  # noqa: S104 - what is tried
    assert names.accept("192.0.2.7:8866", "192.0.2.7")
    assert names.accept("[2001:db8::7]:8866", "2001:db8::7")
    assert names.accept("192.0.2.7:8866", "::ffff:192.0.2.7")
    assert not names.accept("192.0.2.8:8866", "192.0.2.7")


def test_port_80_need_not_be_said():
    assert HostNames("127.0.0.1", 80).accept("127.0.0.1")


@pytest.mark.parametrize("name", ["https://eic.example.org", "eic.example.org/", "", "a b", "[::1", "*"])
def test_a_host_name_that_is_none_is_refused_at_the_start(name):
    with pytest.raises(BadArgumentError, match="expected a name as in a browser's address"):
        ServerOptions(host_names=(name,))


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://127.0.0.1:8866", True), ("https://127.0.0.1:8866", True), ("null", False), ("", False),
        ("http://127.0.0.1:8867", False), ("http://evil.example", False), ("http://[", False),
    ],
)  # fmt: skip
def test_an_origin_is_the_host_that_was_asked_for(origin, same):
    assert HostNames.same(origin, "127.0.0.1:8866") == same


@pytest.mark.parametrize(
    "address", ["/", "/?lang=fr&token=x", "/monitor", "/reports/a%20b/%C3%A9.html", "/?a=%zz"]
)
def test_addresses_that_can_be(address):
    assert judge_address(address) is None


@given(st.text("/.%0125aceEfFA\\\0é?~", max_size=20).map(lambda words: "/" + words))
@example("/%00")
@example("/%2e%2e/x")
@example("/%c0%ae")
@example("/..%5c..")
def test_what_passes_is_a_path_without_anything_odd(address):
    if judge_address(address) is None:
        path = address.partition("?")[0]
        assert address.isascii()
        assert ".." not in path.lower().replace("%2e", ".").replace("%2f", "/").split("/")
        assert "%00" not in path
        assert "\\" not in path
        assert not path.startswith("//")


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ([], "", "en"), ([], "fr", "fr"), ([], "fr-CA,fr;q=0.9,en;q=0.8", "fr"), ([], "fr;q=0, en", "en"),
        ([], "en;q=0.4, fr;q=0.5", "fr"), ([], "zh-CN, fr;q=x, FR;q=0.1", "fr"), (["en"], "fr", "en"),
        (["fr", "xx"], "en", "fr"), ([], ";;;,,q=", "en"),
    ],
)  # fmt: skip
def test_language_of_a_reader(asked, accepted, language):
    assert reader_language(asked, accepted) == language
