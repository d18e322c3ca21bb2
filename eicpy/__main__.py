"""``python -m eicpy`` is the command ``eic``."""

from eicpy.cli import main

main(prog_name="eic")
