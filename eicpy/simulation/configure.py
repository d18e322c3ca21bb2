"""What to simulate, from the words of a command line."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.inputs import read_text
from eicpy.simulation import BenchConfig, SimulationConfig, preset, read_config
from eicpy.simulation.sky_presets import WEEK

__all__ = ["simulation_config", "simulation_names"]

_SEVERAL = {"week": WEEK}


def simulation_names(name: str) -> tuple[str, ...]:
    """Ready-made simulations that a name stands for: seven for ``week``, itself for any other."""
    return _SEVERAL.get(name, (name,))


def simulation_config(name: str, file: Path | None = None, **changes: Any) -> SimulationConfig | BenchConfig:
    """Take a ready-made simulation, or one from a JSON file, and change some of it.

    Parameters
    ----------
    name
        Of a ready-made simulation; not looked at where there is a file.
    file
        JSON with the fields of :class:`eicpy.simulation.SimulationConfig`.
    **changes
        Fields to change; None leaves a field as it is.

    Raises
    ------
    BadArgumentError
        For a name, a file or a value that cannot be used.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        if file is None:
            base = preset(name).model_dump()
        else:
            base = read_config(json.loads(read_text(file, "JSON"))).model_dump()
        return read_config(base | given)
    except (ValidationError, OSError, BadDataError, json.JSONDecodeError, RecursionError) as error:
        raise BadArgumentError(f"simulation {file or name}: {error}") from error
