"""Import paths and calls of the version before: they work for one more release, with a warning.

Modules that moved are found by an importer of their own; names that moved out of a package are found by the
``__getattr__`` that `moved_names` returns; calls whose keywords moved into options objects go through
`accept_old_keywords`. The warning names the new form. All of it goes with the next release.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

__all__ = ["MODULES", "NAMES", "accept_old_keywords", "former_detector", "install", "moved_names"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

MODULES = {
    "eicpy.acquisition.decoding": "eicpy.decoding",
    "eicpy.acquisition.decoding.columns": "eicpy.decoding.columns",
    "eicpy.acquisition.decoding.decode": "eicpy.decoding.decode",
    "eicpy.acquisition.decoding.description_check": "eicpy.decoding.description_check",
    "eicpy.acquisition.decoding.kernels": "eicpy.decoding.kernels",
    "eicpy.acquisition.decoding.measurement": "eicpy.decoding.measurement",
    "eicpy.acquisition.decoding.tally": "eicpy.decoding.running_continuity",
    "eicpy.acquisition.decoding.times": "eicpy.decoding.times",
    "eicpy.acquisition.delivery.bus": "eicpy.acquisition.delivery.packet_messages",
    "eicpy.acquisition.delivery.nats_bus": "eicpy.messaging.nats_bus",
    "eicpy.acquisition.disk": "eicpy.files",
    "eicpy.acquisition.provider": "eicpy.runs.provider",
    "eicpy.acquisition.provider.cursor": "eicpy.runs.provider.cursor",
    "eicpy.acquisition.provider.increment": "eicpy.runs.provider.increment",
    "eicpy.acquisition.provider.merge": "eicpy.runs.provider.merge",
    "eicpy.acquisition.provider.newest": "eicpy.runs.provider.newest",
    "eicpy.acquisition.provider.pace": "eicpy.runs.provider.pace",
    "eicpy.acquisition.provider.places": "eicpy.runs.provider.seek",
    "eicpy.acquisition.provider.provide": "eicpy.runs.provider.provide",
    "eicpy.acquisition.provider.repeated": "eicpy.runs.provider.deduplicate",
    "eicpy.acquisition.provider.selection": "eicpy.runs.provider.selection",
    "eicpy.acquisition.provider.walk": "eicpy.runs.provider.walk",
    "eicpy.acquisition.reception.copies": "eicpy.acquisition.reception.duplicate_commands",
    "eicpy.acquisition.runs": "eicpy.runs",
    "eicpy.acquisition.runs.archive": "eicpy.runs.archive",
    "eicpy.acquisition.runs.commands": "eicpy.runs.commands",
    "eicpy.acquisition.runs.metadata": "eicpy.runs.metadata",
    "eicpy.acquisition.runs.run": "eicpy.runs.run",
    "eicpy.acquisition.runs.runs_table": "eicpy.runs.runs_table",
    "eicpy.acquisition.runs.sidecar": "eicpy.runs.sidecar",
    "eicpy.acquisition.runs.writer": "eicpy.runs.writer",
    "eicpy.acquisition.station": "eicpy.acquisition.status",
    "eicpy.acquisition.station.orders": "eicpy.acquisition.status.orders",
    "eicpy.acquisition.station.overview": "eicpy.acquisition.status.overview",
    "eicpy.acquisition.station.overview_parts": "eicpy.acquisition.status.overview_parts",
    "eicpy.acquisition.station.overview_status": "eicpy.acquisition.status.overview_status",
    "eicpy.acquisition.station.status": "eicpy.acquisition.status.status",
    "eicpy.acquisition.station.verdict": "eicpy.health.reasons",
    "eicpy.acquisition.status.verdict": "eicpy.health.reasons",
    "eicpy.calibration.camera_spectrum": "eicpy.calibration.gain.camera_spectrum",
    "eicpy.calibration.gain_fit": "eicpy.calibration.gain.fit",
    "eicpy.calibration.gain_kernel": "eicpy.calibration.gain.kernel",
    "eicpy.calibration.gain_model": "eicpy.calibration.gain.model",
    "eicpy.calibration.gain_quality": "eicpy.calibration.gain.quality",
    "eicpy.calibration.gain_settings": "eicpy.calibration.gain.settings",
    "eicpy.calibration.gain_start": "eicpy.calibration.gain.start",
    "eicpy.calibration.gain_table": "eicpy.calibration.gain.table",
    "eicpy.calibration.linear_steps": "eicpy.calibration.gain.linear_steps",
    "eicpy.calibration.lines": "eicpy.calibration.gain.lines",
    "eicpy.calibration.pixel_batch": "eicpy.calibration.gain.pixel_batch",
    "eicpy.calibration.pixel_status": "eicpy.calibration.pixels.status",
    "eicpy.calibration.poisson": "eicpy.calibration.gain.poisson",
    "eicpy.console": "eicpy.cli.console",
    "eicpy.dashboard.camera": "eicpy.dashboard.pages.camera",
    "eicpy.dashboard.compared": "eicpy.dashboard.widgets.compared",
    "eicpy.dashboard.controls": "eicpy.dashboard.widgets.controls",
    "eicpy.dashboard.figures": "eicpy.figures.plots",
    "eicpy.dashboard.kernels": "eicpy.dashboard.server.kernels",
    "eicpy.dashboard.monitor": "eicpy.dashboard.pages.monitor",
    "eicpy.dashboard.monitor_markup": "eicpy.dashboard.pages.monitor_markup",
    "eicpy.dashboard.notebook": "eicpy.figures.notebook",
    "eicpy.dashboard.order_controls": "eicpy.dashboard.widgets.order_controls",
    "eicpy.dashboard.page": "eicpy.dashboard.pages.page",
    "eicpy.dashboard.panels": "eicpy.dashboard.widgets.panels",
    "eicpy.dashboard.photon_panels": "eicpy.dashboard.widgets.photon_panels",
    "eicpy.dashboard.plane": "eicpy.figures.plane",
    "eicpy.dashboard.play_controls": "eicpy.dashboard.widgets.play_controls",
    "eicpy.dashboard.quicklook": "eicpy.dashboard.pages.quicklook",
    "eicpy.dashboard.quicklook_markup": "eicpy.dashboard.pages.quicklook",
    "eicpy.dashboard.request": "eicpy.dashboard.server.request",
    "eicpy.dashboard.series": "eicpy.figures.series",
    "eicpy.dashboard.texts": "eicpy.text",
    "eicpy.dashboard.theme": "eicpy.figures.theme",
    "eicpy.dashboard.timeline": "eicpy.figures.timeline",
    "eicpy.dashboard.voila_server": "eicpy.dashboard.server.voila_server",
    "eicpy.egse.stretch": "eicpy.egse.stream_chunk",
    "eicpy.monitor.chain": "eicpy.processors.chain",
    "eicpy.monitor.plan": "eicpy.processors.chain_plan",
    "eicpy.monitor.texts": "eicpy.health.words",
    "eicpy.monitor.units": "eicpy.text",
    "eicpy.operations.housekeeping_tables": "eicpy.ingestion.housekeeping_tables",
    "eicpy.operations.inbox": "eicpy.ingestion.inbox",
    "eicpy.operations.ingest": "eicpy.ingestion.packet_files",
    "eicpy.operations.photon_files": "eicpy.ingestion.photon_files",
    "eicpy.pipeline.gain_text": "eicpy.pipeline.before",
    "eicpy.pipeline.index_page": "eicpy.nights.index_page",
    "eicpy.pipeline.ingestion": "eicpy.ingestion.files",
    "eicpy.pipeline.page": "eicpy.reports.page",
    "eicpy.pipeline.parameters": "eicpy.reports.parameters",
    "eicpy.pipeline.record": "eicpy.nights.record",
    "eicpy.pipeline.repeats": "eicpy.pipeline.cross_run_duplicates",
    "eicpy.pipeline.report": "eicpy.reports.report",
    "eicpy.pipeline.simulated": "eicpy.simulation.configure",
    "eicpy.pipeline.status_text": "eicpy.pipeline.before",
    "eicpy.pipeline.tables": "eicpy.reports.tables",
    "eicpy.processors.finder": "eicpy.processors.discovery",
    "eicpy.processors.session": "eicpy.processors.execution",
    "eicpy.processors.signals": "eicpy.process",
    "eicpy.processors.stage": "eicpy.processors.adapter",
    "eicpy.processors.tether": "eicpy.processors.parent_death",
    "eicpy.processors.trouble": "eicpy.processors.execution",
    "eicpy.products.atomic": "eicpy.files",
    "eicpy.products.times": "eicpy.times",
    "eicpy.simulation.attitude": "eicpy.simulation.sky.attitude",
    "eicpy.simulation.background": "eicpy.simulation.camera.background",
    "eicpy.simulation.bench_config": "eicpy.simulation.bench.config",
    "eicpy.simulation.bench_housekeeping": "eicpy.simulation.bench.housekeeping",
    "eicpy.simulation.bench_scene": "eicpy.simulation.bench.scene",
    "eicpy.simulation.bursts": "eicpy.simulation.sky.bursts",
    "eicpy.simulation.commands": "eicpy.simulation.packets.commands",
    "eicpy.simulation.detector": "eicpy.simulation.camera.detector",
    "eicpy.simulation.diffuse": "eicpy.imaging.diffuse",
    "eicpy.simulation.escape": "eicpy.simulation.camera.escape",
    "eicpy.simulation.event_packets": "eicpy.simulation.packets.event_packets",
    "eicpy.simulation.faults": "eicpy.simulation.packets.faults",
    "eicpy.simulation.housekeeping": "eicpy.simulation.packets.housekeeping",
    "eicpy.simulation.illumination": "eicpy.simulation.camera.illumination",
    "eicpy.simulation.isotopes": "eicpy.simulation.bench.isotopes",
    "eicpy.simulation.kernels": "eicpy.simulation.camera.kernels",
    "eicpy.simulation.lines": "eicpy.simulation.camera.lines",
    "eicpy.simulation.messages": "eicpy.simulation.packets.event_packets",
    "eicpy.simulation.photons": "eicpy.simulation.camera.photons",
    "eicpy.simulation.points": "eicpy.simulation.sky.points",
    "eicpy.simulation.response": "eicpy.simulation.camera.response",
    "eicpy.simulation.sky.diffuse": "eicpy.imaging.diffuse",
    "eicpy.simulation.structure": "eicpy.simulation.camera.structure",
    "eicpy.simulation.telemetry": "eicpy.simulation.packets.encoding",
    "eicpy.trigger.background": "eicpy.trigger.ground.background",
    "eicpy.trigger.exact_search": "eicpy.trigger.ground.exact_search",
}
"""Old module → new module."""

NAMES = {
    "eicpy.egse": {"eicpy.egse": "Session=SendingSession Source=PacketSource Stretch=StreamChunk"},
    "eicpy.simulation": {
        "eicpy.simulation": (
            "Command=Telecommand PhotonBlock=SimulatedPhotons Stream=TelemetryStream "
            "simulate=write_simulation"
        ),
    },
    "eicpy.acquisition": {
        "eicpy.decoding": (
            "HousekeepingTable PhotonColumns SpectraColumns alerts housekeeping is_simulated "
            "photons spectra DescriptionCheck check_description Switch measurement_switches "
            "PacketCounts epoch_seconds packet_seconds"
        ),
        "eicpy.runs": (
            "Cursor Follower Increment blocks follow LONGEST_WAIT Pacer Mode Provider Runs "
            "provide Selection kind_names RunArchive RunChange RunMetadata edit_run Run "
            "RunWriter"
        ),
        "eicpy.files": "hash_file",
    },
    "eicpy.simulation.bench": {"eicpy.simulation.bench.emitter": "Bench"},
    "eicpy.simulation.sky": {"eicpy.simulation.spectral_laws": "albedo cosmic_background"},
    "eicpy.acquisition.delivery.passing": {
        "eicpy.acquisition.delivery.passing": "PacketSource=IncrementSource",
    },
    "eicpy.acquisition.status": {
        "eicpy.health": "LEVELS REASONS Reason Verdict judge",
        "eicpy.housekeeping": "Level=Severity",
    },
    "eicpy.housekeeping": {"eicpy.housekeeping": "Level=Severity"},
    "eicpy.monitor": {
        "eicpy.health": "reason_text",
        "eicpy.processors": "run_chain stop_chain ChainPlan default_processors free_port",
    },
    "eicpy.operations": {
        "eicpy.operations": (
            "CalibrationRelease=ReleaseRow Excursion=ExcursionRow IngestedFile=FileRow Product=ProductRow "
            "Step=StepRow"
        ),
        "eicpy.housekeeping": "Level=Severity",
        "eicpy.ingestion": (
            "append_table entries_of table_limits WatchReport take_file IngestOutcome "
            "IngestState ingest_file register_run PhotonFileOutcome "
            "ingest_photon_file photon_blocks photon_copy photon_folder "
            "says_simulated usable"
        ),
    },
    "eicpy.packets": {"eicpy.packets": "Texts=TextCalibration"},
    "eicpy.packets.index": {"eicpy.packets.indexer": "PacketIndexer index_packets"},
    "eicpy.pipeline": {
        "eicpy.pipeline": "read_table=read_calibration_table",
        "eicpy.ingestion": "FileOutcome inbox ingest watch",
        "eicpy.pipeline.before": "gain_in_force read_gain",
        "eicpy.reports": "ReportOutcome run_report Sentence Table check_parameters parameter_model",
    },
    "eicpy.processors": {"eicpy.processors.child": "Command=ChainCommand"},
    "eicpy.products": {
        "eicpy.times": "DATEREF MJDREFF MJDREFI day_of to_seconds to_time",
        "eicpy.files": "atomic_file sha256_of",
    },
}
"""Package → new package → names that were importable from the old one, as ``old`` or ``old=new``."""


class _MovedModule(Loader):
    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        _warn(spec.name, self._new)
        return import_module(self._new)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module was executed under its new name."""


class _MovedModules(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        new = MODULES.get(fullname)
        return None if new is None else ModuleSpec(fullname, _MovedModule(new), is_package=False)


def install() -> None:
    """Let modules be imported from where they were before; once a process."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MovedModules())  # before the files: a package that moved has a new folder


def moved_names(package: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package from which names have moved.

    Parameters
    ----------
    package
        One of :data:`NAMES`.
    """
    homes = dict(_homes(package))

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, now = homes[name]
        _warn(f"{package}.{name}", f"{module}.{now}")
        return getattr(import_module(module), now)

    return get


def accept_old_keywords(
    *, positions: Sequence[str] = (), renamed: Mapping[str, str] | None = None, **options: type[Any]
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator of a call that accepts the keywords it took before it took options objects.

    Parameters
    ----------
    positions
        The positional parameters before, where they have changed: a call without an options object is an
        old one then.
    renamed
        Old keyword → new keyword, of the call or of a field.
    options
        Parameter → dataclass of its options object; its fields were keywords of the call.
    """

    def decorate(call: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(call)
        def accept(*args: Any, **keywords: Any) -> _R:
            if positions and not any(
                isinstance(v, tuple(options.values())) for v in (*args, *keywords.values())
            ):
                keywords |= dict(zip(positions, args, strict=False))
                args = ()
            found = {old: new for old, new in (renamed or {}).items() if old in keywords}
            keywords |= {new: keywords.pop(old) for old, new in found.items()}
            before = {new: old for old, new in found.items()}
            for parameter, kind in options.items():
                moved = {f.name: keywords.pop(f.name) for f in fields(kind) if f.name in keywords}
                if moved:
                    given = keywords.get(parameter)
                    keywords[parameter] = kind(**moved) if given is None else replace(given, **moved)
                    found |= {before.get(name, name): f"{parameter}={kind.__name__}(…)" for name in moved}
            if found:
                new = ", ".join(dict.fromkeys(found.values()))
                _warn(f"{call.__qualname__}({', '.join(found)})", f"{call.__qualname__}({new})", 3)
            return call(*args, **keywords)

        return accept

    return decorate


def former_detector(old: str, new: str) -> Any:
    """Return the detector of which functions took the lines and the requirement by default, with a warning.

    Parameters
    ----------
    old, new
        The call as it was, and as it is now.
    """
    warnings.warn(
        f"{old} takes the values of ECLAIRs; give those of the detector: {new}. "
        "The default goes with the next release",
        DeprecationWarning,
        stacklevel=3,
    )
    return import_module("eicpy.instruments").load("eclairs")


def _homes(package: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Old names of a package with their new module and name."""
    for module, names in NAMES[package].items():
        for entry in names.split():
            old, _, new = entry.partition("=")
            yield old, (module, new or old)


def _warn(old: str, new: str, stacklevel: int = 4) -> None:
    warnings.warn(
        f"{old} is now {new}; the old form goes with the next release",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
