"""Pages in a browser."""

import os

import click

from eicpy.cli.console import LongCommand
from eicpy.cli.options import instrument_option

__all__ = ["dashboards"]


@click.command(
    cls=LongCommand,
    when_stopped="pages and kernels have ended, data are untouched; call it again to serve them",
)
@instrument_option(required=False)
@click.option(
    "--port", default=8866, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--no-reports", is_flag=True, help="Serve the dashboards alone.")
@click.option(
    "--orders",
    is_flag=True,
    help="Let whoever opens the monitor page start and stop runs, mark configuration, write comments.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open a browser.")
@click.pass_context
def dashboards(
    ctx: click.Context,
    instrument: str | None,
    port: int,
    *,
    no_reports: bool,
    orders: bool,
    open_browser: bool,
) -> None:
    """Serve the dashboards and the reports.

    The page of the camera, the quick look, the monitor of the live chain, the reports of the nights.
    They open on the detector of --instrument, and lead to the others. Prints their addresses. Only this
    machine can reach them. Ends with Ctrl-C.
    """
    from eicpy.dashboard import ServerOptions, serve
    from eicpy.instruments import load

    if instrument is not None:
        os.environ["EIC_INSTRUMENT"] = load(instrument).name

    options = ServerOptions(port=port, reports=not no_reports, orders=orders)
    serve(ctx.obj, options, open_browser=open_browser)
