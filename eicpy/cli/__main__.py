"""``python -m eicpy.cli``: the command ``eic`` where no script is installed."""

from eicpy.cli import main

if __name__ == "__main__":
    main(prog_name="eic")
