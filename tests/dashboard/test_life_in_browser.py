"""A page on an empty set-up: its first words; its kernel falls silent; its server ends and comes back."""

import os
import signal
from pathlib import Path

from eicpy.dashboard import Server, ServerOptions
from eicpy.settings import Settings


def _children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(p) for p in found if ") Z " not in Path(f"/proc/{p}/stat").read_text()
    ]  # ended, not yet let go


def test_a_page_says_that_it_is_old_and_opens_again_by_itself(open_page, tmp_path):
    settings = Settings.at(tmp_path / "home")
    with Server(settings, ServerOptions(port=0, reports=False)) as server:
        opened = open_page(f"{server.url}monitor?lang=fr")
        page, banner = opened.page, ".eic-disconnected"
        opened.wait_for_figures(1)
        before = opened.kernel
        assert page.query_selector("#loading") is None, "the first words have gone"
        (kernel,) = _children(_children(server.pid)[0])
        os.kill(kernel, signal.SIGSTOP)
        page.wait_for_selector(f"{banner}[data-state=silent]")
        assert page.inner_text(banner).startswith("Sans nouvelles depuis")
        os.kill(kernel, signal.SIGCONT)
        page.wait_for_selector(banner, state="detached")
        assert opened.kernel == before
        port = server.port
    page.wait_for_selector(f"{banner}[data-state=lost]")
    assert "La page se rouvrira" in page.inner_text(banner)
    with Server(settings, ServerOptions(port=port, reports=False)):
        page.wait_for_selector(banner, state="detached")
        opened.wait_for_figures(1)
        assert opened.kernel != before
        assert opened.errors == []
