"""``python -m eicpy.cli``: the command ``eic`` where no script is installed."""

from eicpy.cli import main

main(prog_name="eic")
