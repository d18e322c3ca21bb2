"""The command ``eic``: a thin door to each room of the house.

Nothing is computed here. Every command imports its room when it is called, so that ``eic --help``
answers at once. The exit status tells a script what happened: 0 clean, 1 something was lost or damaged
(the good part is kept and the bad part is named), 2 the call was wrong, 3 it failed.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from eicpy.console import (
    CommandGroup,
    TerminalProgress,
    host_and_port,
    name_values,
    show_decisions,
    show_listening,
    show_outcomes,
    show_packets,
)
from eicpy.errors import BadArgumentError, EicpyError, ExitCode
from eicpy.settings import Settings

__all__ = ["main"]

_FILE = click.Path(path_type=Path)
_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@click.group(
    cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="eicpy", prog_name="eic")
@click.option("-v", "--verbose", count=True, help="Tell more; twice for everything.")
@click.option(
    "--home",
    type=_FILE,
    envvar="EIC_HOME",
    show_envvar=True,
    help="Folder that holds everything of this set-up.  [default: your user data folder]",
)
@click.pass_context
def main(ctx: click.Context, verbose: int, home: Path | None) -> None:
    """From the packets of a photon-counting camera to calibrated photons, reports and dashboards.

    \b
    A first evening:
      eic simulate demo                     a night of packets, with the truth beside them
      eic ingest FILE --instrument eclairs  keep them in the archive
      eic night --instrument eclairs        calibrate, monitor, write the reports
      eic dashboards                        look at them in a browser

    Exit status: 0 clean; 1 something was lost or damaged, the good part is kept; 2 the call was wrong;
    3 it failed.
    """  # noqa: D301, click wants the control character itself, not its escape
    level = [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    url = os.environ.get("EIC_DATABASE_URL")
    ctx.obj = Settings.at(home.expanduser(), url) if home else Settings.from_environment()


def _instrument_option(*, required: bool = True) -> Callable[[Any], Any]:
    return click.option(
        "--instrument", "-i", required=required, metavar="NAME",
        help="Detector, for example eclairs or meddea (a folder of eicpy/instruments).",
    )  # fmt: skip


@main.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "--checksum",
    type=click.Choice(["auto", "none", "crc16", "xor16", "iso16"]),
    default="auto",
    show_default=True,
    help="Checksum of the packets; auto decides for each APID from the data and says so.",
)
@click.option("--instrument", "-i", metavar="NAME", help="Use the packet headers of this detector.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file.")
@click.pass_context
def packets(
    ctx: click.Context, files: tuple[Path, ...], checksum: str, instrument: str | None, *, as_json: bool
) -> None:
    """Tell what is in any file of CCSDS packets.

    APIDs, types, counts, times; what is lost, duplicated, out of order, damaged or foreign. No definition
    of the packets is needed, nothing is written.

    Exit status: 0 clean, 1 something is lost or damaged, 2 bad arguments.
    """
    from eicpy.instruments import load
    from eicpy.packets import inspect_file

    detector = load(instrument) if instrument else None
    worst = ExitCode.CLEAN
    for file in files:
        try:
            report = inspect_file(file, checksum, detector)
        except EicpyError as error:  # the other files are still told about
            click.echo(f"eic: {error}", err=True)
            worst = max(worst, error.exit_code)
            continue
        if as_json:
            click.echo(json.dumps(report.to_dict()))
        else:
            show_packets(report)
        worst = max(worst, report.exit_code)
    ctx.exit(int(worst))


@main.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@_instrument_option()
@click.pass_context
def ingest(ctx: click.Context, files: tuple[Path, ...], instrument: str) -> None:
    """Keep files of packets in the archive, once.

    The bytes are kept exactly as they are; a file that is already there is recognised by its content.
    Can be interrupted at any moment and called again.
    """
    from eicpy.pipeline import ingest as ingest_files

    with TerminalProgress("ingest") as progress:
        outcomes = ingest_files(
            files, instrument, ctx.obj, progress=progress, told=lambda outcome: show_outcomes([outcome])
        )
    ctx.exit(int(max(outcome.exit_code for outcome in outcomes)))


@main.command()
@click.argument("inbox", type=_FILE)
@_instrument_option()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 86400.0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Take what is there and end.")
@click.pass_context
def watch(ctx: click.Context, inbox: Path, instrument: str, interval: float, *, once: bool) -> None:
    """Ingest every file dropped into a folder, once.

    INBOX is the folder. Whatever happens in between, nothing is lost or taken twice.

    Files are left where they are. A file still being written is taken when it stops growing.
    Ends with Ctrl-C.
    """
    from eicpy.pipeline import watch as watch_folder

    outcomes = watch_folder(
        inbox, instrument, ctx.obj, interval=interval, once=once, told=lambda o: click.echo(o.summary)
    )
    ctx.exit(int(max((o.exit_code for o in outcomes), default=ExitCode.CLEAN)))


@main.command()
@_instrument_option()
@click.option(
    "--from",
    "start",
    type=click.DateTime(_DATES),
    metavar="DATE",
    help="Begin, UTC.  [default: the first data]",
)
@click.option(
    "--to", "stop", type=click.DateTime(_DATES), metavar="DATE", help="End, UTC.  [default: the last data]"
)
@click.option("--redo", is_flag=True, help="Repeat what was done before.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Dask scheduler to work on, for example tcp://host:8786."
)
@click.option(
    "--workers", type=click.IntRange(0), help="Processes; 0 works in this one alone.  [default: by cores]"
)
@click.pass_context
def night(
    ctx: click.Context,
    instrument: str,
    start: datetime | None,
    stop: datetime | None,
    *,
    redo: bool,
    scheduler: str | None,
    workers: int | None,
) -> None:
    """Calibrate, monitor and report one night or many.

    Takes the runs of the archive, writes products, reports and the index page. What was done before is
    not done again: a second call with nothing new says so and ends. It can be stopped at any moment;
    the next call continues. Without --from and --to every day with data is worked on.

    Exit status: 0 clean, or nothing new; 1 finished, but packets were lost or damaged (the report says
    which); 2 bad arguments; 3 a task or a report failed, the others are kept.
    """
    from eicpy.pipeline import run_nights

    with TerminalProgress("night") as progress:
        outcomes = run_nights(
            instrument, _utc(start), _utc(stop), ctx.obj, redo=redo, scheduler=scheduler, workers=workers,
            progress=progress,
        )  # fmt: skip
    worst = show_outcomes(outcomes)
    if not outcomes:
        click.echo(f"{instrument}: no data in the archive in this interval; 'eic ingest' brings some")
    else:
        click.echo(f"All nights: {(ctx.obj.reports / 'index.html').as_uri()}")
    ctx.exit(int(worst))


@main.command()
@click.argument("notebook", type=_FILE)
@click.option(
    "-p",
    "--parameter",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the notebook; repeat for more.",
)
@click.option("--out", type=_FILE, help="Folder of the report.  [default: under reports/notebooks]")
@click.option("--timeout", default=1800, show_default=True, metavar="SECONDS", help="Longest time of a cell.")
@click.pass_context
def report(ctx: click.Context, notebook: Path, pairs: Sequence[str], out: Path | None, timeout: int) -> None:
    """Run one notebook and leave its report.

    A report is a page to read (one file, also without a network), the executed notebook, and a record of
    where it came from.

    NOTEBOOK is a file, or the name of a nightly one (monitoring, gain). Names and types of the
    parameters are checked before the kernel starts.
    """
    from eicpy.pipeline import notebook_report

    outcome = notebook_report(notebook, name_values(pairs), ctx.obj, folder=out, timeout=timeout)
    click.echo(f"{outcome.title}: {outcome.status} in {outcome.seconds:.0f} s: {outcome.page.as_uri()}")
    if outcome.status == "failed":
        click.echo(f"eic: {outcome.message}", err=True)
        ctx.exit(int(ExitCode.FAILED))


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="TABLE…", type=_FILE)
@click.option("--comment", default="", help="Why; kept with the decision.")
@click.option("--by", default="", help="Who decides.  [default: your user name]")
@click.pass_context
def accept(ctx: click.Context, files: tuple[Path, ...], comment: str, by: str) -> None:
    """Accept calibration tables that a night proposed.

    TABLE is a file name such as AUX-ECL-PIX-CAL-20261120F01.fits, or its path. The nights after the
    table's own use it. The gain report of the night recommends what to do.
    """
    show_decisions(files, ctx.obj, accepted=True, by=by, comment=comment)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="TABLE…", type=_FILE)
@click.option("--comment", default="", help="Why; kept with the decision.")
@click.option("--by", default="", help="Who decides.  [default: your user name]")
@click.pass_context
def reject(ctx: click.Context, files: tuple[Path, ...], comment: str, by: str) -> None:
    """Reject calibration tables that a night proposed.

    TABLE is as for 'eic accept'. Rejected tables are kept, and not used.
    """
    show_decisions(files, ctx.obj, accepted=False, by=by, comment=comment)


@main.command()
@click.argument("name", default="demo")
@click.option(
    "--duration", type=float, metavar="SECONDS", help="Of data.  [default: of the ready-made night]"
)
@click.option("--start", type=click.DateTime(_DATES), metavar="DATE", help="Begin, UTC.")
@click.option("--seed", type=click.IntRange(0), help="Seed: the same gives the same bytes.")
@click.option("--config", type=_FILE, help="JSON file of a simulation of your own; NAME is then ignored.")
@click.option("--out", type=_FILE, help="Folder.  [default: simulated/NAME in the home folder]")
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
    """Simulate packets of the ECLAIRs camera.

    The truth (gains, dead pixels, sources, what was lost) is kept beside them.

    NAME is a ready-made night: demo (three hours with a burst, the Crab, an SAA passage, excursions, a
    little loss and damage), quiet (an hour of background), day (24 hours like demo).
    """
    from eicpy.pipeline.simulated import simulation_config
    from eicpy.simulation import simulate as run_simulation

    chosen = simulation_config(name, config, duration=duration, start=_utc(start), seed=seed)
    with TerminalProgress("simulate") as progress:
        folder = out or ctx.obj.home / "simulated" / chosen.name
        made = run_simulation(chosen, folder, progress=lambda share: progress(share, 1.0))
    click.echo(f"{made.packets}")


@main.command()
@click.argument("file", type=_FILE)
@click.option("--to", "address", required=True, metavar="HOST:PORT", help="Where a receiver listens.")
@click.option("--rate", type=float, metavar="BYTES", help="Per second.  [default: as fast as it goes]")
def send(file: Path, address: str, rate: float | None) -> None:
    """Send a file of packets over TCP.

    As a test bench or a ground station would: 'eic receive' or a dashboard takes them.
    """
    from eicpy.acquisition import send as send_file

    host, port = host_and_port(address)
    with TerminalProgress("send") as progress:
        sent = send_file(file, host, port, rate=rate, progress=progress)
    click.echo(f"{sent.size} bytes sent to {host}:{port}")


@main.command()
@_instrument_option()
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Port 0 takes a free one."
)
@click.option("--port", type=click.IntRange(0, 65535), help="Port alone, on the address of --listen.")
@click.option("--once", is_flag=True, help="End when the sender has finished.")
@click.option("--port-file", type=_FILE, help="Write the port into this file once it listens.")
@click.option(
    "--peer", "peers", multiple=True, metavar="ADDRESS", help="Address that may connect; repeat for more."
)
@click.pass_context
def receive(
    ctx: click.Context,
    instrument: str,
    listen: str,
    port: int | None,
    *,
    once: bool,
    port_file: Path | None,
    peers: tuple[str, ...],
) -> None:
    """Receive packets over TCP into the archive.

    Bytes are in the archive before anything else sees them. Prints the address it listens on; ends
    with Ctrl-C, or with --once when the sender has closed its connection. A script waits for the
    --port-file to appear. Only this machine may connect unless --peer names others.

    Exit status: 0 clean; 1 something that came was damaged or foreign; 2 bad arguments; 3 failed.
    """
    from eicpy.acquisition import LOOPBACK, RunArchive
    from eicpy.acquisition import receive as receive_run
    from eicpy.instruments import load
    from eicpy.operations import open_database, register_run

    host, listened = host_and_port(listen)
    detector = load(instrument)
    summary = receive_run(
        RunArchive(ctx.obj.archive(instrument), instrument),
        detector,
        host=host,
        port=listened if port is None else port,
        peers=peers or LOOPBACK,
        until_disconnect=once,
        on_listening=partial(show_listening, port_file),
    )
    if summary.run is None:
        click.echo("nothing came")
        return
    with open_database(ctx.obj) as database:
        register_run(summary.run, detector, database)
    click.echo(
        f"run {summary.run.number}: {summary.size} bytes, {summary.packets} packets, "
        f"{summary.damaged} damaged, {summary.foreign_bytes} foreign bytes"
    )
    ctx.exit(int(ExitCode.BAD_DATA if summary.damaged or summary.foreign_bytes else ExitCode.CLEAN))


@main.command()
@click.option(
    "--port", default=8866, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--no-reports", is_flag=True, help="Serve the dashboards alone.")
@click.option("--open", "open_browser", is_flag=True, help="Open a browser.")
@click.pass_context
def dashboards(ctx: click.Context, port: int, *, no_reports: bool, open_browser: bool) -> None:
    """Serve the dashboards and the reports.

    Prints their addresses. Only this machine can reach them. Ends with Ctrl-C.
    """
    from eicpy.dashboard.server import serve

    serve(ctx.obj, port=port, reports=not no_reports, open_browser=open_browser)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def benchmark(arguments: Sequence[str]) -> None:
    """Measure speed and memory beside the peers.

    Needs a clone of the project, not only the installed package.

    ARGUMENTS go to benchmarks/run.py; 'eic benchmark --help-run' tells which.
    """
    import subprocess

    script = Path(__file__).parents[1] / "benchmarks" / "run.py"
    if not script.is_file():
        raise BadArgumentError(f"got no {script}; the benchmarks come with a clone, not with the package")
    given = ["--help" if a == "--help-run" else a for a in arguments]
    sys.exit(subprocess.run([sys.executable, str(script), *given], check=False).returncode)  # noqa: S603, our own script


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


if __name__ == "__main__":
    main(prog_name="eic")
