"""Packets on a pipe, for programs in any language."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eicpy.cli.console import LongCommand
from eicpy.cli.options import DATES, FILE, instrument_option, packet_options, utc
from eicpy.errors import BadArgumentError, ExitCode
from eicpy.process import stop_on_signals

if TYPE_CHECKING:
    from eicpy.runs import Provider

__all__ = ["follow"]


def _runs(texts: tuple[str, ...]) -> Any:
    """What the arguments RUN mean to the provider."""
    if texts in {(), ("live",)}:
        return "live"
    if texts == ("all",):
        return None
    try:
        numbers = [int(text) for text in texts]
    except ValueError as error:
        raise BadArgumentError(
            f"got {' '.join(texts)!r}, expected live, all, or numbers of runs such as 12 13"
        ) from error
    return numbers[0] if len(numbers) == 1 else numbers


@click.command(
    cls=LongCommand,
    when_stopped="packets handed on are whole; with --cursor or --consumer the next call goes on after them",
)
@click.argument("run", nargs=-1)
@instrument_option()
@click.option(
    "--format", "form", type=click.Choice(["raw", "numbered", "jsonl", "arrow"]), default="jsonl",
    show_default=True,
    help="raw: the bytes of the packets; numbered: the same, before each its run (4 bytes) and its offset "
    "(8 bytes), big-endian, with --bus 0 and the number of the message; jsonl: a JSON object on a line each; "
    "arrow: an Arrow IPC stream.",
)  # fmt: skip
@packet_options
@click.option(
    "--commands/--telemetry", "commands", default=None, help="Only telecommands, or only telemetry."
)
@click.option(
    "--photons", is_flag=True, help="With photons: in JSON beside their packet, in Arrow a row each."
)
@click.option(
    "--records/--no-records", default=True, show_default=True,
    help="With what repeats within a packet: lists of objects; in Arrow, of one --kind, of structures.",
)  # fmt: skip
@click.option(
    "--speed", type=click.FloatRange(0, min_open=True), metavar="X",
    help="Play back X times as fast as in real time.  [default: as fast as it is read]",
)  # fmt: skip
@click.option(
    "--step",
    is_flag=True,
    help="Play back step by step: each line on standard input gives a packet, or as many as it says.",
)
@click.option(
    "--from-packet", type=click.IntRange(0), metavar="N", help="Begin with this packet, counted from 0."
)
@click.option(
    "--from-time", type=click.DateTime(DATES), help="Begin with the first packet of this time (UTC)."
)
@click.option(
    "--cursor", "cursor_file", type=FILE,
    help="Keep the position in this file and resume from there: it wins over --from-….",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(["next", "last"]), default="next", show_default=True,
    help="next: every packet; last: the newest of each APID at each look.",
)  # fmt: skip
@click.option(
    "--unique", is_flag=True, help="Packets with the same bytes once; several runs merged in order of time."
)
@click.option(
    "--window", type=click.FloatRange(0, min_open=True), metavar="S",
    help="With --unique, while packets still come: hold each for S seconds of on-board time, so that those "
    "of another station take their place.  [default: 10 for several runs; else none are held]",
)  # fmt: skip
@click.option("--bus", metavar="URL", help="Read from a bus, nats://HOST:PORT, instead of the archive.")
@click.option("--consumer", metavar="NAME", help="With --bus: a name under which the bus keeps the position.")
@click.pass_context
def follow(
    ctx: click.Context,
    /,
    run: tuple[str, ...],
    instrument: str,
    form: Any,
    cursor_file: Path | None,
    bus: str | None,
    consumer: str | None,
    *,
    photons: bool,
    records: bool,
    step: bool,
    **playback: Any,
) -> None:
    """Write packets to standard output, live or from a run, for a program in any language.

    RUN is 'live' (the newest run and those after it, without end; the default), a number, several numbers, or
    'all'. Standard output holds the packets and nothing else; each is handed on at once. Ends quietly when
    the program that reads has ended, with Ctrl-C, or at the end of a run.

    \b
      eic follow live -i eclairs --apid 810 --format raw | ./count_photons
      eic follow 12 -i eclairs --kind ecl --format arrow | python plot.py
      eic follow 3 4 -i eclairs --unique --speed 10

    With --cursor the position after what was handed on is kept: the next call resumes there. A packet may
    come again if this command was killed just after it was handed on; none is left out. With --bus, while
    this command lives, each packet comes once and in the order of the bus, also when the server is killed;
    after this command was killed, --consumer goes on, and packets may come again under the same number.

    Exit status: 0 clean; 1 something was damaged or foreign (see standard error); 2 bad arguments;
    3 failed.
    """  # noqa: D301, click wants the control character itself, not its escape
    from eicpy.acquisition.delivery.formats import packet_writer
    from eicpy.acquisition.delivery.passing import CursorFile, open_pipe, pass_on, reader_is_gone
    from eicpy.instruments import load
    from eicpy.runs import ProvideOptions, RunArchive, provide
    from eicpy.runs.provider.selection import Selection

    if form != "jsonl" and sys.stdout.isatty():
        raise BadArgumentError(f"got format {form} on a terminal, expected a pipe or a file: … | program")
    if step and playback["speed"] is not None:
        raise BadArgumentError("got --step and --speed, expected one of them")
    if bus and (cursor_file or any(playback[n] is not None for n in ("speed", "from_packet", "from_time"))):
        raise BadArgumentError("got --bus and a speed or position in the archive, expected --consumer NAME")
    detector = load(instrument)
    selection = Selection(detector, playback["apids"], playback["kinds"], playback["commands"])
    keep = CursorFile(cursor_file) if cursor_file else None
    if bus is not None:
        source: Any = _bus_reader(bus, selection, run, consumer)
    else:
        start = keep.load() if keep else None
        source = provide(
            RunArchive(ctx.obj.archive(instrument), instrument),
            detector,
            _runs(run),
            start=start,
            kinds=playback["kinds"],
            speed=playback["speed"],
            unique=playback["unique"],
            options=ProvideOptions(
                from_time=None if start else utc(playback["from_time"]),
                from_packet=None if start else playback["from_packet"],
                apids=playback["apids"],
                commands=playback["commands"],
                mode=playback["mode"],
                window=playback["window"],
            ),
        )
    with stop_on_signals() as stop, source, open_pipe() as pipe:
        writer = packet_writer(form, pipe, detector, selection, with_photons=photons, with_records=records)
        if step:
            source = _Steps(source)
        passed = pass_on(
            source,
            writer,
            stop=stop,
            keep=(lambda _: source.done()) if bus else keep.save if keep else None,
            gone=lambda: reader_is_gone(pipe),
            most_packets=None if playback["mode"] == "last" else 4096,
        )
    late = getattr(source, "late", {})
    if late:
        told = ", ".join(f"{count} of run {run}" for run, count in late.items())
        click.echo(f"eic: packets later than the window, given out of order: {told}", err=True)
    if passed.damaged or passed.foreign_bytes:
        left_out = " (left out)" if form in {"raw", "numbered"} and passed.damaged else ""
        click.echo(
            f"eic: {passed.packets} packets, {passed.damaged} damaged{left_out}, "
            f"{passed.foreign_bytes} foreign bytes", err=True,
        )  # fmt: skip
        ctx.exit(int(ExitCode.BAD_DATA))


class _Steps:
    """A playback that advances with each line of standard input."""

    def __init__(self, provider: "Provider") -> None:
        self._provider = provider
        self._ended = False

    @property
    def cursor(self) -> Any:
        """The position after what was given."""
        return self._provider.cursor

    @property
    def finished(self) -> bool:
        """Whether the playback, or the input, has ended."""
        return self._ended or self._provider.finished

    def poll(self, most_packets: int | None = None) -> Any:  # noqa: ARG002, the signature is that of all sources
        """What the next line asks for."""
        line = sys.stdin.readline()
        self._ended = not line
        asked = line.strip() or "1"
        if self._ended or not asked.isdigit() or int(asked) < 1:
            if not self._ended:
                click.echo(f"got {asked!r}, expected an empty line or a number of packets", err=True)
            return _nothing(self._provider)
        return self._provider.step(int(asked))


def _nothing(provider: "Provider") -> Any:
    from eicpy.runs import Increment

    return Increment.nothing(provider.instrument, provider.cursor)


def _bus_reader(url: str, selection: Any, runs: tuple[str, ...], consumer: str | None) -> Any:
    from eicpy.acquisition.delivery.packet_messages import BusReader, open_packet_bus

    if runs not in {(), ("live",), ("all",)}:
        raise BadArgumentError(
            f"got --bus and run {' '.join(runs)}, expected live, or all that the bus holds"
        )
    bus = open_packet_bus(url, selection.instrument.name)
    return BusReader(bus, selection, consumer, new=runs != ("all",))
