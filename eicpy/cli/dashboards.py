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
    help="Let whoever logs in with the token start and stop runs, mark configuration, write comments.",
)
@click.option(
    "--host-name", "host_names", multiple=True, metavar="NAME[:PORT]", envvar="EIC_DASHBOARD_HOST_NAMES",
    show_envvar=True,
    help="A name by which a proxy or a tunnel asks for the pages; repeat for more.",
)  # fmt: skip
@click.option(
    "--kernels", type=click.IntRange(1), metavar="N", envvar="EIC_DASHBOARD_KERNELS", show_envvar=True,
    help="Pages open at once; each takes 250 to 350 MB.  [default: as many as fit into half of the memory]",
)  # fmt: skip
@click.option(
    "--kernels-per-address", type=click.IntRange(1), metavar="N", show_envvar=True,
    envvar="EIC_DASHBOARD_KERNELS_PER_ADDRESS",
    help="Of these from one remote address.  [default: three quarters]",
)  # fmt: skip
@click.option("--open", "open_browser", is_flag=True, help="Open a browser.")
@click.pass_context
def dashboards(
    ctx: click.Context,
    instrument: str | None,
    port: int,
    host_names: tuple[str, ...],
    kernels: int | None,
    kernels_per_address: int | None,
    *,
    no_reports: bool,
    orders: bool,
    open_browser: bool,
) -> None:
    """Serve the dashboards and the reports.

    The page of the camera, the quick look, the monitor of the live chain, the reports of the nights.
    They open on the detector of --instrument, and lead to the others. Prints their addresses. Only this
    machine can reach them, and only by its own names or those of --host-name. Ends with Ctrl-C.

    EIC_DASHBOARD_TOKEN in the environment is asked from each visitor. With --orders a token is always asked
    for, with a name, under which orders stand in the journal; where none is given one is made, and printed
    once as a link. Where more pages are asked for than may be open, the next visitor is told so (503).
    """
    from eicpy.dashboard import ServerOptions, serve
    from eicpy.instruments import load

    if instrument is not None:
        os.environ["EIC_INSTRUMENT"] = load(instrument).name

    options = ServerOptions(
        port=port,
        reports=not no_reports,
        orders=orders,
        host_names=host_names,
        kernels=kernels,
        kernels_per_address=kernels_per_address,
    )
    serve(ctx.obj, options, open_browser=open_browser)
