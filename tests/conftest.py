"""Fixtures that every room shares."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Here properties are tried on the same examples each time, on any machine; `make fuzz` searches for others.
hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", derandomize=False, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "deterministic"))
EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
"""Examples of each property in a long search, instead of those that the property asks for."""

# A shell starts its jobs in the background with Ctrl-C ignored, and so would be all processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data published by others; test input that is never part of the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"no folder {folder}: the real data that this test reads are not distributed with the project"
        )
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_home() -> Iterator[None]:
    """Keep every test, and every process it starts, out of the data and the settings of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="eicpy-test-") as folder:
        patch.setenv("EIC_HOME", str(Path(folder) / "eic"))
        patch.delenv("EIC_DATABASE_URL", raising=False)
        patch.setenv("IPYTHONDIR", str(Path(folder) / "ipython"))
        patch.setenv("JUPYTER_CONFIG_DIR", str(Path(folder) / "jupyter"))
        # The debugger of the kernels warns about frozen modules on stderr; no test debugs.
        patch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        yield


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Headless Chromium; one for all tests, because its driver cannot be started twice in a process."""
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        yield started
        started.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files: slow ones first, so that no process ends with one alone; those with a browser last.

    From its first page to the end of the process, the browser's driver keeps an event loop running in the
    main thread, in which no other test could run its own.
    """
    order = {item.path: 0 for item in items if item.get_closest_marker("slow")}
    order |= {item.path: 2 for item in items if "browser" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: order.get(item.path, 1))
    for item in items:
        test = getattr(item, "obj", None)
        if EXAMPLES and getattr(test, "is_hypothesis_test", False):
            _with_examples(test, EXAMPLES)


def _with_examples(test: Any, number: int) -> None:
    """Let a property try so many examples; the library has no public way that outranks the property's own."""
    own = getattr(test, "_hypothesis_internal_use_settings", hypothesis.settings())
    wanted = hypothesis.settings(own, max_examples=number, suppress_health_check=list(hypothesis.HealthCheck))
    test._hypothesis_internal_use_settings = wanted


def pytest_report_header() -> str:
    """Report which of the things that a test may miss are there."""
    shared = ROOT.parent / "shared" / "data"
    return f"real data: {shared if shared.is_dir() else 'none'}; cores: {os.cpu_count()}"
