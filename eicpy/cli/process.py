"""Processors: work on every packet, live and in playback."""

from pathlib import Path

import click

from eicpy.cli.console import name_values
from eicpy.cli.options import instrument_option

__all__ = ["process"]


@click.command()
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
@click.option(
    "--apid", "apids", type=click.IntRange(0, 2047), multiple=True, help="Only this APID; repeat for more."
)
@click.option("--kind", "kinds", multiple=True, help="Only packets of this kind; repeat for more.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Pace of a playback; 1 is as it was.")
@click.option(
    "--checkpoint", "interval", type=click.FloatRange(0.0), metavar="SECONDS", help="Between two saves."
)
@click.option(
    "--label", default="", help="Name on the monitor and of the folder.  [default: the processor's]"
)
@click.option(
    "--from-run", "first_run", type=click.IntRange(1), metavar="N", help="Begin live with this run."
)
@click.option("--once", is_flag=True, help="End when everything that is in the archive was processed.")
@click.option("--again", is_flag=True, help="Forget what was done and start over.")
@click.pass_context
def process(
    ctx: click.Context,
    name: str,
    instrument: str,
    mode: str,
    runs: tuple[int, ...],
    pairs: tuple[str, ...],
    packets: int | None,
    apids: tuple[int, ...],
    kinds: tuple[str, ...],
    speed: float | None,
    interval: float | None,
    label: str,
    first_run: int | None,
    *,
    once: bool,
    again: bool,
) -> None:
    """Give every packet to a processor, and go on where it stopped.

    NAME is 'photons' (a photon file for each run), 'housekeeping' (into the archive, limits checked), a
    processor of another package, or your own: 'my_file.py:my_function'.

    Its place is saved together with what it wrote: stopped, killed or out of disk space, it goes on with
    the next packet and its outputs hold every packet once. Ends with Ctrl-C after the batch at hand.

    Exit status: 0 ended well; 1 its saved place cannot be read; 2 bad arguments; 3 the processor failed,
    the message names the packet.
    """
    from eicpy.process import stop_on_signals
    from eicpy.processors import Job, find_processor, run_processor
    from eicpy.runs import RunArchive

    job = Job(
        find_processor(name),
        instrument,
        name_values(pairs),
        mode="last" if mode == "last" else "next",
        runs=runs or "live",
        label=label,
        packets=packets,
        interval=interval,
        apids=apids,
        kinds=kinds,
        speed=speed,
        first_run=first_run,
        once=once,
        again=again,
    )
    archive = RunArchive(ctx.obj.archive(instrument), instrument)
    for number in () if once else runs:
        if archive.run(number).metadata.closed is None:
            click.echo(
                f"run {number} is still open: waiting for its end (--once: end with what is there)", err=True
            )
    with stop_on_signals(second_ends=True) as stop:
        summary = run_processor(job, ctx.obj, stop)
    passed = f", {summary.skipped} passed over" if mode == "last" else ""
    files = [Path(f).name for f in summary.outputs.iterdir()] if summary.outputs.is_dir() else []
    where = f"; {summary.outputs}: {', '.join(sorted(files))}" if files else ""
    click.echo(f"{summary.name}: {summary.packets} packets{passed}{where}")
