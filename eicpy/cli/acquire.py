"""The whole live chain."""

import os
from typing import Any

import click

from eicpy.cli.console import LongCommand
from eicpy.cli.options import SECONDS, instrument_option, receiving_options, run_options
from eicpy.errors import BadArgumentError

__all__ = ["acquire"]

TOKEN_VARIABLE = "EIC_DASHBOARD_TOKEN"  # noqa: S105 - the name of the variable, not a token


@click.command(
    cls=LongCommand,
    when_stopped="what came is archived and its run is closed; call it again to receive into a new run",
)
@instrument_option()
@receiving_options("127.0.0.1:5000")
@run_options
@click.option(
    "--processor", "processors", multiple=True, metavar="NAME",
    help="Processor to run; repeat for more.  [default: photons, housekeeping, as the detector has them]",
)  # fmt: skip
@click.option("--no-processors", is_flag=True, help="Only receive and archive.")
@click.option(
    "--port", default=8866, show_default=True, type=click.IntRange(0, 65535),
    help="Port of the pages in the browser; 0 takes a free one.",
)  # fmt: skip
@click.option("--no-dashboards", is_flag=True, help="Serve no pages.")
@click.option(
    "--orders", is_flag=True,
    help="Let whoever logs in to the pages with the token start and stop runs, write comments.",
)  # fmt: skip
@click.option(
    "--timeout", "--patience", "timeout", default=60.0, show_default=True, type=SECONDS,
    metavar="SECONDS",
    help="At the end: how long processors may take to finish what is archived.",
)  # fmt: skip
@click.option(
    "--bus", default="", metavar="URL", help="Publish every packet for other hosts too: nats://HOST:PORT."
)
@click.option("--headless", is_flag=True, help="Without a screen: for a service, a script, a log.")
@click.pass_context
def acquire(
    ctx: click.Context,
    /,
    instrument: str,
    processors: tuple[str, ...],
    port: int,
    timeout: float,
    *,
    no_processors: bool,
    no_dashboards: bool,
    headless: bool,
    **plan: Any,
) -> None:
    """Run the whole live chain: receive, archive, process, show.

    Starts the receiver, the processors and the pages, each in a process of its own that is started again
    when it crashes, and shows the monitor. Connections and datagrams are accepted at once: what comes
    before the receiver is ready, or while it is started again, is kept for it. Whatever happens to the
    screen, reception goes on; 'eic monitor' attaches again. Leaving asks whether all is to stop. Ctrl-C and
    SIGTERM stop all: first the receiver, then the processors once they have done what is archived.

    Exit status: 0 clean; 1 something that came was damaged or foreign; 2 bad arguments; 3 a part failed.
    """
    import getpass

    pages = not no_dashboards
    if pages and plan["orders"]:
        _have_token(headless=headless)
    click.echo(f"{instrument}: starting the live chain")
    from eicpy.instruments import load
    from eicpy.processors import find_processor
    from eicpy.processors.chain_plan import ChainPlan, default_processors, free_port

    detector = load(instrument)
    chosen = () if no_processors else processors or default_processors(detector)
    for name in chosen:
        find_processor(name)
    chain = ChainPlan(
        instrument=instrument,
        processors=chosen,
        dashboards_port=(port or free_port()) if pages else None,
        **plan | {"operator": plan["operator"] or getpass.getuser()},
    )
    if headless:
        from eicpy.processors.chain import run_chain

        ctx.exit(int(run_chain(chain, ctx.obj, timeout=timeout, say=click.echo)))
    from eicpy.monitor.screen import attend

    ctx.exit(int(attend(chain, ctx.obj, timeout=timeout, say=click.echo)))


def _have_token(*, headless: bool) -> None:
    """See to it that there is a token for those who give orders; one that is made is shown here alone."""
    import secrets

    if os.environ.get(TOKEN_VARIABLE, "").strip():
        return
    if headless:
        raise BadArgumentError(
            f"got --orders and --headless without {TOKEN_VARIABLE} in the environment: a token that is made "
            "would be printed into a log; choose one and give it there"
        )
    token = os.environ[TOKEN_VARIABLE] = secrets.token_urlsafe(24)
    click.echo(f"token for orders, asked at the log-in: {token}")
