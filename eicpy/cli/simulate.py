"""Simulated packets, with the truth beside them."""

from datetime import datetime
from functools import partial
from pathlib import Path

import click

from eicpy.cli.console import LongCommand, TerminalProgress
from eicpy.cli.options import DATES, FILE, utc
from eicpy.errors import BadArgumentError

__all__ = ["simulate"]


@click.command(
    cls=LongCommand,
    when_stopped="nothing is kept of what was not finished; the same call makes the same bytes",
)
@click.argument("name", default="demo")
@click.option(
    "--duration",
    type=click.FloatRange(0.0, 1e9, min_open=True),
    metavar="SECONDS",
    help="Of data.  [default: of the ready-made night]",
)
@click.option("--start", type=click.DateTime(DATES), metavar="DATE", help="Begin, UTC.")
@click.option("--seed", type=click.IntRange(0), help="Seed: the same gives the same bytes.")
@click.option("--config", type=FILE, help="JSON file of a simulation of your own; NAME is then ignored.")
@click.option("--out", type=FILE, help="Folder.  [default: simulated/NAME in the home folder]")
@click.pass_context
def simulate(
    ctx: click.Context,
    name: str,
    duration: float | None,
    start: datetime | None,
    seed: int | None,
    config: Path | None,
    out: Path | None,
) -> None:
    """Simulate packets of the ECLAIRs camera, or of the prototype on the bench.

    The truth (gains, dead pixels, sources, bursts, what was lost) is kept beside them, and for a night of the
    camera the attitude and orbit that the ground gets; for burst and week what other instruments report.

    NAME is a ready-made night of the camera: demo (three hours with a burst, the Crab, an SAA passage,
    excursions, a little loss and damage), burst (ten minutes with sources of the catalogue, a burst and the
    slew to it), quiet (an hour of background), day (24 hours like demo); week: seven evenings of one camera,
    with bursts and what looks like one (a flare, a shower, a noisy module, the Moon), each in a folder of its
    own (week-1 to week-7, also by name); bench: eight minutes of dpix-prototype, two measurements with
    configuration before and between; or scan: two minutes of it, a threshold scan with test pulses.
    """
    from eicpy.simulation import write_simulation
    from eicpy.simulation.configure import simulation_config, simulation_names

    names = (name,) if config is not None else simulation_names(name)
    if len(names) > 1 and (start is not None or seed is not None):
        raise BadArgumentError(
            f"got --start or --seed for {name}, whose {len(names)} nights have their own; give {names[0]}, …"
        )
    for one in names:
        chosen = simulation_config(one, config, duration=duration, start=utc(start), seed=seed)
        folder = ctx.obj.home / "simulated" / chosen.name if out is None else out
        folder = folder / one if out is not None and len(names) > 1 else folder
        with TerminalProgress("simulate" if len(names) == 1 else f"simulate {one}") as progress:
            made = write_simulation(chosen, folder, progress=partial(_report, progress))
        click.echo(f"{made.packets}")


def _report(progress: TerminalProgress, share: float) -> None:
    progress(share, 1.0)
