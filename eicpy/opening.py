"""What a notebook begins with: one plain function for each kind of data. ``import eicpy`` offers them.

Each takes a path as text or :class:`~pathlib.Path` and returns an object that shows itself in a notebook.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from eicpy.errors import MissingDataError
from eicpy.inputs import open_regular
from eicpy.opened import Opened, is_noting, note_opened
from eicpy.settings import Settings

if TYPE_CHECKING:
    from eicpy.events import EventFile, EventList
    from eicpy.housekeeping import HousekeepingArchive
    from eicpy.instruments import Instrument
    from eicpy.packets import PacketIndex, PacketReport
    from eicpy.pipeline import NightProducts
    from eicpy.products import Product
    from eicpy.runs import Run
    from eicpy.simulation import SimulatedNight

__all__ = [
    "load_instrument",
    "open_housekeeping",
    "open_night",
    "open_packets",
    "open_photons",
    "open_product",
    "open_run",
    "open_setup",
    "simulate",
]

Setup: TypeAlias = "Settings | str | Path | None"
# ruff: noqa: PLC0415 - each function imports its own room: a notebook pays for what it opens


def open_setup(home: Setup = None) -> Settings:
    """Open a set-up: the folder that holds archive, products, housekeeping and reports.

    Parameters
    ----------
    home
        The folder; None: ``EIC_HOME``, or the user's data folder.

    Examples
    --------
    >>> open_setup("/data/eic").archive("eclairs").as_posix()
    '/data/eic/archive/eclairs'
    """
    if home is None:
        return Settings.from_environment()
    return home if isinstance(home, Settings) else Settings.at(Path(home).expanduser())


def load_instrument(name: str = "eclairs") -> "Instrument":
    """Load the description of a detector: pixels, energy scale, packets.

    Examples
    --------
    >>> load_instrument("eclairs").pixels.count
    6400
    """
    from eicpy.instruments import load

    return load(name)


def open_packets(file: str | Path, instrument: str | None = None) -> "PacketReport":
    """Open a file of CCSDS packets: what is in it, what is lost, damaged or foreign.

    Parameters
    ----------
    file
        Any file; it is mapped, not loaded.
    instrument
        Detector whose headers and on-board time are used; None: learned from the data.
    """
    from eicpy.packets import inspect_file

    detector = None if instrument is None else load_instrument(instrument)
    report = inspect_file(file, instrument=detector)
    if is_noting():
        _note_packets(Path(file), report.index, detector)
    return report


def _note_packets(file: Path, index: "PacketIndex", detector: "Instrument | None", sha256: str = "") -> None:
    """Note packets for the report that is being made, and whether they say that they are simulated."""
    from eicpy.decoding import is_simulated

    said = None if detector is None else is_simulated(index, detector)
    name = "" if detector is None else detector.name
    note_opened(Opened("packets", str(file), said, name, sha256=sha256))


def open_run(number: int | None = None, instrument: str = "eclairs", home: Setup = None) -> "Run":
    """Open a run of the archive; the newest one where no number is given.

    Raises
    ------
    BadArgumentError
        For a number that is not there.
    MissingDataError
        If there is no run yet.
    """
    from eicpy.runs import RunArchive

    archive = RunArchive(open_setup(home).archive(instrument), instrument)
    run = archive.newest() if number is None else archive.run(number)
    if run is None:
        raise MissingDataError("no run yet", file=archive.folder, advice=f"eic ingest FILE -i {instrument}")
    if is_noting():
        detector = load_instrument(instrument)
        _note_packets(run.raw_file, run.index(detector), detector, run.stated_sha256)
    return run


def open_photons(file: str | Path, instrument: str = "eclairs") -> "EventFile | EventList":
    """Open the photons of a photon file (FITS), or decode those of a file of packets.

    Parameters
    ----------
    file
        The file; FITS is recognised by its content, and is not loaded.
    instrument
        Whose packets they are; not looked at for FITS.

    See Also
    --------
    eicpy.events.EventFile : Photons in a file.
    eicpy.events.EventList : Photons in memory.
    """
    from eicpy.events import EventFile, EventList

    path = Path(file)
    with open_regular(path, "photons or packets") as stream:
        if stream.read(6) == b"SIMPLE":
            return EventFile(path)
    from eicpy.decoding import photons
    from eicpy.packets import map_file

    detector = load_instrument(instrument)
    return EventList.of(photons(map_file(path), open_packets(path, instrument).index, detector))


def open_housekeeping(instrument: str = "eclairs", home: Setup = None) -> "HousekeepingArchive":
    """Open the housekeeping archive of an instrument in a set-up."""
    from eicpy.housekeeping import HousekeepingArchive

    return HousekeepingArchive(open_setup(home).housekeeping(instrument))


def open_night(folder: str | Path = "", instrument: str = "", home: Setup = None) -> "NightProducts":
    """Open a night: spectra, gain, pixels, light curves and what was decided.

    Parameters
    ----------
    folder
        Folder of the night; empty: the night that a report is being made of, else the newest one.
    instrument, home
        Where the newest is looked for: of eclairs, in this set-up, where nothing is said.

    Raises
    ------
    MissingDataError
        If there is no night yet.

    See Also
    --------
    eicpy.pipeline.run_night : Makes a night.
    open_product : One file of it.
    """
    from eicpy.pipeline import NightProducts

    return NightProducts.open(folder, instrument=instrument, home=None if home is None else open_setup(home))


def open_product(file: str | Path) -> "Product":
    """Open a product (FITS), checked against its declaration and its checksums.

    See Also
    --------
    eicpy.products.write_product : Writes a product.
    open_photons : Photons, which are not loaded.

    References
    ----------
    FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0.
    """
    from eicpy.products import read_product

    return read_product(Path(file))


def simulate(name: str = "demo", folder: str | Path = "simulated", **changes: Any) -> "SimulatedNight":
    """Simulate packets, with the truth beside them, as ``eic simulate`` does.

    Parameters
    ----------
    name
        Ready-made simulation: demo, quiet, day or bench.
    folder
        Where they are written.
    **changes
        Fields of the simulation to change, for example ``duration`` (s) or ``seed``.
    """
    from eicpy.simulation import write_simulation
    from eicpy.simulation.configure import simulation_config

    made = write_simulation(simulation_config(name, None, **changes), Path(folder))
    note_opened(Opened("packets", str(made.packets), simulated=True))
    return made
