"""What the parts of a chain said about themselves, made into views.

A status is read with care: another version of the package, or a mistake, may have written it. What is not
what it should be is taken as not said.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from eicpy.acquisition.status.overview_parts import (
    Health,
    LinkView,
    PartView,
    ProcessorView,
    ReceiverView,
    RunView,
)
from eicpy.acquisition.status.status import Status

__all__ = ["Said", "link_of", "part_of", "supervised", "with_lag"]

SILENT_AFTER = {"receiver": 10.0}
"""How long a part of a role may say nothing, s."""
SILENT_AFTER_OTHERWISE = 60.0
FAREWELLS: dict[str, Health] = {"stopped": "ended", "failed": "failed"}
"""What a part that took its leave said last."""
CHILDREN: dict[str, Health] = {
    "waiting": "alive", "running": "alive", "given up": "failed", "ended": "ended", "stopped": "ended",
}  # fmt: skip
"""How a child is that its supervisor calls so."""


class Said:
    """The values that a part reported."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def number(self, name: str) -> float | None:
        """A number that is finite."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return None
        return float(value)

    def count(self, name: str) -> int | None:
        """A whole number."""
        value = self.number(name)
        return None if value is None else int(value)

    def text(self, name: str) -> str:
        """A text; empty where there is none."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one."""
        value = self._values.get(name)
        if isinstance(value, str):
            return (value,)
        return tuple(str(text) for text in value) if isinstance(value, Sequence) else ()

    def table(self, name: str) -> dict[str, Mapping[str, Any]]:
        """An object of objects."""
        value = self._values.get(name)
        if not isinstance(value, Mapping):
            return {}
        return {str(key): row for key, row in value.items() if isinstance(row, Mapping)}

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """A list of objects."""
        value = self._values.get(name)
        return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []

    def plain(self, name: str) -> dict[str, float | str]:
        """An object of numbers and texts."""
        value = self._values.get(name)
        if not isinstance(value, Mapping):
            return {}
        return {
            str(key): entry if isinstance(entry, (int, float, str)) else json.dumps(entry)
            for key, entry in value.items()
        }


def part_of(status: Status, moment: datetime) -> PartView:
    """The view of a part, by its role."""
    said = Said(status.values)
    age = max((moment - status.updated).total_seconds(), 0.0)
    common: dict[str, Any] = {
        "name": status.name,
        "role": status.role,
        "health": _health(status, age),
        "state": status.state,
        "pid": status.pid,
        "started": status.started,
        "updated": status.updated,
        "age": age,
        "error": status.error,
        "restarts": said.count("restarts") or 0,
        "addresses": said.texts("listening") or said.texts("addresses"),
    }
    if status.role == "receiver":
        living = common["health"] == "alive"
        return ReceiverView(
            **common,
            run=said.count("run"),
            mode=said.text("mode"),
            rate=said.number("rate") if living else None,
            received=said.count("received"),
            packets=said.count("packets"),
            damaged=said.count("damaged"),
            foreign_bytes=said.count("foreign_bytes"),
            udp_dropped=said.count("udp_dropped"),
            connections=said.count("connections"),
            gave_way=sum(int(n) for n in said.plain("gave_way").values() if isinstance(n, (int, float))),
            runs_gone=said.count("runs_gone"),
            run_gone=said.text("run_gone"),
        )
    if status.role == "processor":
        return ProcessorView(
            **common,
            mode=said.text("mode"),
            parameters=said.plain("parameters"),
            run=said.count("run"),
            offset=said.count("offset"),
            behind=said.count("behind"),
            packets=said.count("packets"),
            skipped=said.count("skipped"),
        )
    return PartView(**common)


def _health(status: Status, age: float) -> Health:
    if not status.alive:
        return FAREWELLS.get(status.state, "dead")
    return "silent" if age > SILENT_AFTER.get(status.role, SILENT_AFTER_OTHERWISE) else "alive"


def with_lag(part: ProcessorView, receiver: ReceiverView | None, run: RunView | None) -> ProcessorView:
    """Complete the lag of a processor; of one that has ended, count the bytes that came since."""
    behind = part.behind
    if part.health != "alive" and run is not None and part.run == run.number:
        behind = max((run.size or 0) - (part.offset or 0), 0)
    pace = receiver.rate if receiver is not None else None
    if not pace and run is not None and run.size and run.age:
        end = run.closed or (receiver.updated if receiver is not None else None)
        length = (end - run.opened).total_seconds() if end and run.opened else run.age
        pace = run.size / max(length, 1.0)
    seconds = 0.0 if behind == 0 else None if behind is None or not pace else behind / pace
    return replace(part, behind=behind, behind_seconds=seconds)


def supervised(parts: Sequence[PartView], supervisor: Status | None) -> list[PartView]:
    """Complete the parts by what their supervisor knows: restarts, and children that report nothing.

    Parameters
    ----------
    parts
        Those that have reported.
    supervisor
        Its status, where there is one; what it said is used only while it lives.
    """
    if supervisor is None or not supervisor.alive:
        return list(parts)
    children = {name: Said(row) for name, row in Said(supervisor.values).table("children").items()}
    known = {part.name for part in parts}
    found = [
        replace(part, restarts=max(part.restarts, children[part.name].count("restarts") or 0))
        if part.name in children
        else part
        for part in parts
    ]
    return found + [
        PartView(
            name=name,
            role=said.text("role"),
            health=CHILDREN.get(said.text("state"), "dead"),
            state=said.text("state"),
            pid=said.count("pid"),
            updated=supervisor.updated,
            error=said.text("error") or None,
            restarts=said.count("restarts") or 0,
        )
        for name, said in children.items()
        if name not in known
    ]


def link_of(said: Said) -> LinkView:
    """The view of a connection."""
    return LinkView(
        address=said.text("address"),
        transport=said.text("transport"),
        state=said.text("state"),
        received=said.count("bytes"),
        age=said.number("age"),
    )
