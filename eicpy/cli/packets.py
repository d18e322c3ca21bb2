"""Looking at files of packets, with or without a definition of them."""

import json
from pathlib import Path

import click

from eicpy.cli.console import show_packets
from eicpy.cli.options import FILE
from eicpy.errors import EicpyError, ExitCode

__all__ = ["packets"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
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
    """Report what is in any file of CCSDS packets.

    APIDs, types, counts, times; what is lost, duplicated, out of order, damaged or foreign. No definition
    of the packets is needed, nothing is written.

    Packets are also taken out of transfer frames (TM, AOS), files compressed by gzip, bzip2 or xz,
    hexadecimal text, and captures of a network (pcap, pcapng); what the file is, is said. A packet cut by
    the boundary of two files named one after the other is joined, and counts in the second.

    A jump of a sequence count is a loss only if the packets behind it, or the times, confirm it. Else the
    counter restarted, or one count is out of step, or it does not count, counts in steps of n, or for each
    destination or type; a jump at the very end is unconfirmed. Each is named below the table, with where and
    how many.

    Exit status: 0 clean (a counter that restarts or does not count is no fault of the stream), 1 something
    is lost, damaged, doubled, out of order or step, foreign or unconfirmed, or the file is empty or holds no
    packets, 2 bad arguments, 3 no space for what a compressed file expands to.
    """
    import eicpy.instruments
    from eicpy.packets import inspect_files

    detector = eicpy.instruments.load(instrument) if instrument else None
    worst = ExitCode.CLEAN
    for report in inspect_files(files, checksum, detector):
        if isinstance(report, EicpyError):  # the other files are still reported
            click.echo(f"eic: {report}", err=True)
        elif as_json:
            click.echo(json.dumps(report.to_dict()))
        else:
            show_packets(report)
        worst = max(worst, report.exit_code)
    ctx.exit(int(worst))
