"""Runs: the archive of raw packets, and reading it, live or played back.

The raw bytes of a run are written before anything else sees them (:class:`RunArchive`); readers follow
them with a cursor of their own (:func:`follow`, :func:`blocks`), live and afterwards alike, or are given
them as a stream by :func:`provide`.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.runs.archive import RunArchive
    from eicpy.runs.edit import edit_run, remark
    from eicpy.runs.label import LABEL_HEADS, RunLabel, run_label
    from eicpy.runs.metadata import RunChange, RunMetadata, RunPiece
    from eicpy.runs.provider.cursor import Cursor, Follower, Increment, blocks, follow
    from eicpy.runs.provider.deduplicate import Deduplicator
    from eicpy.runs.provider.pace import LONGEST_WAIT, Pacer
    from eicpy.runs.provider.provide import Mode, ProvideOptions, Provider, Runs, provide
    from eicpy.runs.provider.selection import Selection, kind_names
    from eicpy.runs.run import Run
    from eicpy.runs.writer import RunWriter
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "LABEL_HEADS",
    "LONGEST_WAIT",
    "Cursor",
    "Deduplicator",
    "Follower",
    "Increment",
    "Mode",
    "Pacer",
    "ProvideOptions",
    "Provider",
    "Run",
    "RunArchive",
    "RunChange",
    "RunLabel",
    "RunMetadata",
    "RunPiece",
    "RunWriter",
    "Runs",
    "Selection",
    "blocks",
    "edit_run",
    "follow",
    "kind_names",
    "provide",
    "remark",
    "run_label",
]
