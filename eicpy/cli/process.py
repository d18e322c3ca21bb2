"""Processors: work on every packet, live and in playback."""

from pathlib import Path
from typing import Any

import click

from eicpy.cli.console import LongCommand, name_values
from eicpy.cli.options import SECONDS, instrument_option, packet_options

__all__ = ["process"]


@click.command(
    cls=LongCommand,
    when_stopped="its position is saved with its outputs; call it again to go on with the next packet",
)
@click.argument("name")
@instrument_option()
@click.option(
    "--mode",
    type=click.Choice(["next", "last"]),
    default="next",
    show_default=True,
    help="next: every packet, however slow the processor; last: the newest of each APID, for a quick look.",
)
@click.option(
    "--run", "runs", type=click.IntRange(1), multiple=True, metavar="N",
    help="Play back this run and end; repeat for more.  [default: live, the newest run and those after it]",
)  # fmt: skip
@click.option(
    "-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE",
    help="Parameter of the processor; repeat for more.",
)  # fmt: skip
@click.option(
    "--packets", type=click.IntRange(1), help="Packets in a batch at most.  [default: as many as come]"
)
@packet_options
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Pace of a playback; 1 is real time.")
@click.option("--checkpoint", "interval", type=SECONDS, metavar="SECONDS", help="Time between two saves.")
@click.option(
    "--label", default="", help="Name on the monitor and of the folder.  [default: the processor's]"
)
@click.option(
    "--from-run", "first_run", type=click.IntRange(1), metavar="N", help="Begin live with this run."
)
@click.option("--once", is_flag=True, help="End when everything that is in the archive was processed.")
@click.option("--again", is_flag=True, help="Start over, as if nothing had been done.")
@click.pass_context
def process(
    ctx: click.Context,
    /,
    name: str,
    instrument: str,
    mode: str,
    runs: tuple[int, ...],
    pairs: tuple[str, ...],
    *,
    once: bool,
    **job: Any,
) -> None:
    """Give every packet to a processor, and resume where it stopped.

    NAME is 'photons' (a photon file for each run), 'housekeeping' (into the archive, limits checked), a
    processor of another package, or your own: 'my_file.py:my_function'.

    Its position is saved together with what it wrote: stopped, killed or out of disk space, it resumes with
    the next packet and its outputs hold every packet once. Ends with Ctrl-C after the batch at hand.

    Exit status: 0 ended well; 1 its saved position cannot be read; 2 bad arguments; 3 the processor failed,
    the message names the packet.
    """
    from eicpy.process import stop_on_signals
    from eicpy.processors import Job, find_processor, run_processor
    from eicpy.runs import RunArchive

    work = Job(
        find_processor(name),
        instrument,
        name_values(pairs),
        mode="last" if mode == "last" else "next",
        runs=runs or "live",
        once=once,
        **job,
    )
    archive = RunArchive(ctx.obj.archive(instrument), instrument)
    for number in () if once else runs:
        if archive.run(number).metadata.closed is None:
            click.echo(
                f"run {number} is still open: waiting for its end (--once: end with what it holds now)",
                err=True,
            )
    with stop_on_signals(second_ends=True) as stop:
        summary = run_processor(work, ctx.obj, stop)
    passed = f", {summary.skipped} passed over" if mode == "last" else ""
    files = [Path(f).name for f in summary.outputs.iterdir()] if summary.outputs.is_dir() else []
    where = f"; {summary.outputs}: {', '.join(sorted(files))}" if files else ""
    click.echo(f"{summary.name}: {summary.packets} packets{passed}{where}")
