"""Overviews made up for the screen: a calm night and a bad one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eicpy.acquisition.status import (
    ApidView,
    DiskView,
    JournalEntry,
    LastError,
    LinkView,
    Overview,
    PartView,
    ProcessorView,
    ReceiverView,
    RunView,
    chain_reasons,
)
from eicpy.health import HealthState, Loss, Tense, judge

NOW = datetime(2026, 11, 21, 3, 12, 4, tzinfo=UTC)


def journal(*lines):
    return tuple(
        JournalEntry(time=NOW - timedelta(minutes=minutes), by=by, what=what, run=run)
        for minutes, by, what, run in lines
    )


def make_calm():
    receiver = ReceiverView(
        name="receiver", role="receiver", health="alive", state="receiving", run=12, mode="measurement",
        received=48_211_004_112, rate=12_512_000.0, packets=48_115_771, damaged=0, foreign_bytes=0,
        udp_dropped=0, addresses=("tcp 0.0.0.0:5000", "udp 0.0.0.0:5001"), updated=NOW, age=0.3,
        restarts=0, started=NOW - timedelta(hours=2), pid=4242,
    )  # fmt: skip
    apids = (
        ApidView(apid=800, name="verification", received=212, rate=0.0),
        ApidView(apid=801, name="housekeeping ecl", received=4312, rate=1.0),
        ApidView(apid=802, name="housekeeping dpix", received=8624, rate=2.0),
        ApidView(apid=810, name="photons", received=48_102_623, lost=3, rate=12_484.2),
        ApidView(apid=800, name="telecommand", command=True, received=71, rate=0.0),
    )
    processors = (
        ProcessorView(
            name="photons", role="processor", health="alive", state="running", mode="next", run=12,
            behind=1_250_000, behind_seconds=0.1, packets=48_101_411, skipped=0,
            parameters={"block": 500000, "folder": "products/eclairs"}, updated=NOW, age=0.2,
        ),
        ProcessorView(
            name="housekeeping", role="processor", health="alive", state="running", mode="next", run=12,
            behind=0, behind_seconds=0.0, packets=12_936, skipped=0, parameters={"limits": "3 warnings"},
            updated=NOW, age=0.4,
        ),
        ProcessorView(
            name="spectrum", role="processor", health="alive", state="running", mode="last", run=12,
            behind=0, behind_seconds=0.0, packets=812_311, skipped=47_290_112, parameters={"bins": 1024},
            updated=NOW, age=0.4,
        ),
    )  # fmt: skip
    parts = PartView(
        name="chain", role="chain", health="alive", state="running", updated=NOW, age=0.4,
        addresses=("http://127.0.0.1:8866/",),
    )  # fmt: skip
    overview = Overview(
        instrument="eclairs", moment=NOW, verdict=None, receiver=receiver,
        run=RunView(
            number=12, size=48_211_004_112, opened=NOW - timedelta(hours=1, minutes=4, seconds=12),
            age=3852.0, operator="Anna Novak", setup="TVAC, cold plateau, 241Am at 40 cm",
            comment="third thermal cycle", source="tcp 10.0.0.7", simulated=True,
        ),
        links=(
            LinkView(address="10.0.0.7:40112", transport="tcp", state="connected",
                     received=48_211_004_112, age=0.1),
        ),
        apids=apids,
        disk=DiskView(folder="/data", total=2 * 10**12, free=76 * 10**10, seconds_to_full=190_000.0),
        processors=processors, others=(parts,),
        journal=journal(
            (131, "Anna Novak", "start a run: second cycle → run 11 is open", 11),
            (66, "Anna Novak", "configuration begins → run 11 is closed, run 12 begins", 11),
            (64, "Anna Novak", "start a run: third thermal cycle; set-up: TVAC → run 12 is open", 12),
            (12, "M. Petit", "comment: shutter closed for five minutes → written to run 12", 12),
        ),
        last_error=None,
    )  # fmt: skip
    return judged(overview)


def judged(overview, risen=None, unreadable=None, losses=()):
    others = chain_reasons(
        moment=overview.moment, parts=overview.parts, links=overview.links, apids=overview.apids,
        disk=overview.disk, risen=risen or {}, unreadable=unreadable or {},
    )  # fmt: skip
    state = HealthState(
        tense=Tense.NOW, run=12, newest=0.0, age=0.1, checked=84, losses=losses, others=others
    )
    return replace(overview, verdict=judge(state))


def make_bad():
    calm = make_calm()
    photons, housekeeping, spectrum = calm.processors
    dead = replace(
        photons, health="dead", age=41.0, behind=512_992_000, behind_seconds=41.0, restarts=2,
        error="exit code 3: products/eclairs: No space left on device",
    )  # fmt: skip
    late = replace(housekeeping, behind=1_130_000_000, behind_seconds=90.3, restarts=1)
    apids = tuple(
        replace(a, lost=31, out_of_order=2, damaged=7) if a.name == "photons" else a for a in calm.apids
    )
    bad = replace(
        calm,
        receiver=replace(calm.receiver, damaged=7, foreign_bytes=1204, udp_dropped=18),
        run=replace(calm.run, suffix="configuration"),
        apids=(*apids, ApidView(apid=1234, name="", received=12, rate=0.1)),
        links=(*calm.links, LinkView(address="10.0.0.9:51234", transport="tcp", state="refused")),
        processors=(dead, late, spectrum),
        disk=replace(calm.disk, free=31_000_000_000, seconds_to_full=2480.0),
        last_error=LastError(part="photons", text=dead.error, time=NOW - timedelta(seconds=41)),
    )
    return judged(
        bad,
        losses=(Loss("lost", 810, False, 31, -70.0, -62.0), Loss("damaged", 810, False, 7, -70.0, -62.0)),
        risen={
            ("restarted", "housekeeping"): NOW - timedelta(seconds=190),
        },
    )


@pytest.fixture
def calm():
    return make_calm()


@pytest.fixture
def bad():
    return make_bad()
