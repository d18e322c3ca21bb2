"""The screen under a pilot: what it shows at any size, its keys, its orders, its ways out."""

import asyncio
import gc
import threading
import time

import pytest
from textual.widgets import Button, Input
from waiting import LIMIT

from eicpy.errors import FailedError
from eicpy.monitor.app import MonitorApp
from eicpy.monitor.dialogues import Choose, Question

SIZES = [(80, 24), (100, 30), (160, 45)]
pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")  # of Textual's own pilot


class Orders:
    """Takes orders in place of a receiver."""

    def __init__(self):
        self.taken = []
        self.error = None

    def __call__(self, order):
        self.taken.append(order)
        if self.error is not None:
            raise self.error
        return "run 13 is open"


@pytest.fixture
def orders():
    return Orders()


def text_of(app):
    """What stands on the screen, as lines."""
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()
    )


def drive(app, work, size=(100, 40)):
    """Run the screen with a pilot and do some work with it."""

    async def main():
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app._overview is not None or app._problem)
            await until(pilot, lambda: keys_are_drawn(app))
            await pilot.pause()
            await work(pilot)

    asyncio.run(main())


def keys_are_drawn(app):
    """The line of keys is composed after the screen, when its bindings are known."""
    keys = [key.description for key in app.screen.query("FooterKey")]
    return bool(keys) and keys[0] in text_of(app)


async def until(pilot, true):
    end = time.monotonic() + LIMIT
    while not true():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        await pilot.pause(0.02)


@pytest.mark.parametrize("size", SIZES)
def test_everything_that_matters_is_on_the_first_screen(calm, orders, size):
    app = MonitorApp(lambda: calm, orders)

    async def work(pilot):
        for words in (
            "eclairs", "WELL", "Run 12", "SIMULATED", "receiving", "12.5 MB/s", "connected", "photons",
            "housekeeping dpix", "62 % used", "full in 2 d 5 h", "M. Petit", "Start run", "Quit",
        ):  # fmt: skip
            await until(pilot, lambda words=words: words in text_of(app))

    drive(app, work, size)


@pytest.mark.parametrize("size", SIZES)
def test_an_alarm_is_shouted_in_words(bad, orders, size):
    app = MonitorApp(lambda: bad, orders)

    async def work(pilot):
        text = text_of(app)
        assert "ALARM now  processor photons is DEAD" in text
        assert "disk full in 41 min 20 s" in text
        assert "more)" in text

    drive(app, work, size)


def test_wide_screens_have_frames_and_narrow_ones_labels(calm, orders):
    app = MonitorApp(lambda: calm, orders)

    async def work(pilot):
        assert "╭─ Packets" in text_of(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.1)
        await until(pilot, lambda: "Reception   receiving" in text_of(app))
        assert "╭" not in text_of(app)

    drive(app, work, (160, 45))


def test_a_new_reading_is_shown_and_an_alarm_rings(calm, bad, orders):
    shown = [calm]
    app = MonitorApp(lambda: shown[0], orders)
    rung = []
    app.bell = lambda: rung.append(True)

    async def work(pilot):
        assert not rung
        shown[0] = bad
        await until(pilot, lambda: "ALARM" in text_of(app))
        assert rung == [True]

    drive(app, work)


def test_a_reading_that_fails_is_told_and_the_screen_goes_on(calm, orders):
    answers = [ValueError("torn")]

    def read():
        if answers:
            raise answers[0]
        return calm

    app = MonitorApp(read, orders)

    async def work(pilot):
        assert "ValueError: torn" in text_of(app)
        answers.clear()
        await until(pilot, lambda: "WELL" in text_of(app))
        assert "torn" not in text_of(app)

    drive(app, work)


def test_a_disk_that_does_not_answer_leaves_the_keys_alive(calm, orders):
    released = threading.Event()
    first = [calm]

    def read():
        if first:
            return first.pop()
        released.wait(LIMIT)
        return calm

    app = MonitorApp(read, orders)

    async def work(pilot):
        await until(pilot, lambda: app._reading)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("escape")
        app._read_at -= 10.0
        app._tick()
        await pilot.pause()
        assert "the disk does not answer" in text_of(app)
        released.set()

    drive(app, work)


async def fill(pilot, **texts):
    for name, text in texts.items():
        pilot.app.screen.query_one(f"#field-{name}", Input).value = text
    await pilot.pause()


def test_a_run_is_started_with_who_setup_and_comment(calm, orders):
    app = MonitorApp(lambda: calm, orders, operator="anna")

    async def work(pilot):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert app.screen.query_one("#field-by", Input).value == "anna"
        await pilot.press(*"TVAC", "enter", *"cold", "enter")
        await until(pilot, lambda: orders.taken)
        (order,) = orders.taken
        assert (order.kind, order.by, order.setup, order.text) == ("start", "anna", "TVAC", "cold")
        await until(pilot, lambda: "run 13 is open" in text_of(app))

    drive(app, work)


@pytest.mark.parametrize(
    ("key", "kind", "text"), [("x", "stop", ""), ("m", "comment", "shutter closed"), ("c", "configure", "")]
)
def test_each_key_gives_its_order(calm, orders, key, kind, text):
    app = MonitorApp(lambda: calm, orders, operator="anna")

    async def work(pilot):
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, Question))
        await fill(pilot, by="bert", text=text)
        await pilot.click("#do")
        await until(pilot, lambda: orders.taken)
        (order,) = orders.taken
        assert (order.kind, order.by, order.text, order.on) == (kind, "bert", text, True)
        assert app._operator == "bert"

    drive(app, work)


def test_configuration_is_ended_where_it_had_begun(bad, orders):
    app = MonitorApp(lambda: bad, orders, operator="anna")

    async def work(pilot):
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert "Configuration ends" in text_of(app)
        await pilot.click("#do")
        await until(pilot, lambda: orders.taken)
        assert orders.taken[0].on is False

    drive(app, work)


def test_nobody_orders_without_a_name_and_no_comment_is_empty(calm, orders):
    app = MonitorApp(lambda: calm, orders, operator="anna")

    async def work(pilot):
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Question))
        app.screen.query_one("#do", Button).press()  # the message moves it, so that a click may miss
        await until(pilot, lambda: "Comment: not empty" in text_of(app))
        await fill(pilot, by="  ", text="x")
        app.screen.query_one("#do", Button).press()  # the message moves it, so that a click may miss
        await until(pilot, lambda: "Who: not empty" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Question))
        assert orders.taken == []

    drive(app, work)


def test_a_refused_order_is_shown_with_its_reason(calm, orders):
    orders.error = FailedError("no receiver takes orders here")
    app = MonitorApp(lambda: calm, orders, operator="anna")

    async def work(pilot):
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.click("#do")
        await until(pilot, lambda: "REFUSED no receiver takes orders here" in text_of(app))

    drive(app, work)


@pytest.mark.parametrize(("key", "left"), [("l", "leave"), ("s", "stop")])
def test_quitting_asks_whether_all_is_to_stop(calm, orders, key, left):
    app = MonitorApp(lambda: calm, orders, may_stop=lambda: True)

    async def work(pilot):
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Choose))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press(key)
        await pilot.pause()

    drive(app, work)
    assert app.return_value == left


def test_a_screen_that_only_looks_is_left_at_once(calm, orders):
    app = MonitorApp(lambda: calm, orders)

    async def work(pilot):
        await pilot.press("q")
        await pilot.pause()

    drive(app, work)
    assert app.return_value == "leave"


def test_an_interrupt_leaves_as_it_was_told_to(calm, orders):
    app = MonitorApp(lambda: calm, orders, may_stop=lambda: True, on_interrupt="stop")

    async def work(pilot):
        await pilot.press("ctrl+c")
        await pilot.pause()

    drive(app, work)
    assert app.return_value == "stop"


def test_details_are_shown_and_hidden(calm, orders):
    app = MonitorApp(lambda: calm, orders)

    async def work(pilot):
        assert "bins: 1024" not in text_of(app)
        await pilot.press("d")
        await until(pilot, lambda: "bins: 1024" in text_of(app))

    drive(app, work, (80, 26))


def test_a_reading_that_never_began_leaves_nothing_behind(calm, orders, recwarn):
    app = MonitorApp(lambda: calm, orders)

    async def work(pilot):
        await until(pilot, lambda: not app._reading)
        app._tick()
        app.workers.cancel_all()  # as the end of the screen does

    drive(app, work)
    gc.collect()
    assert not [w for w in recwarn if "never awaited" in str(w.message)]


def test_without_colour_the_same_words_are_there(bad, orders, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = MonitorApp(lambda: bad, orders)

    async def work(pilot):
        assert "ALARM now  processor photons is DEAD" in text_of(app)

    drive(app, work, (80, 24))
