"""What is known of a night: one JSON file beside its products, read by the reports and the index page.

A night that is running, was killed or failed has its record too: nothing is hidden by being absent.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eicpy.errors import BadDataError, MissingDataError
from eicpy.files import write_text
from eicpy.packets import PacketCounts
from eicpy.text import Texts

__all__ = [
    "NIGHT",
    "AlertRecord",
    "ExcursionRecord",
    "LossRecord",
    "NightRecord",
    "PacketRecord",
    "ReportRecord",
    "TableRecord",
    "now",
]

GAIN_BEFORE = "AUX-ECL-PIX-CAL"
"""The one table that records of the version before know."""
NIGHT = "EIC_REPORT_NIGHT"
"""Environment variable that names the folder of the night a report is being made of."""
NightStatus = Literal["running", "complete", "incomplete", "failed"]


def now() -> str:
    """Give the time of day as ISO text in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PacketRecord(_Record):
    """What became of the packets of an APID, in the words of :class:`eicpy.packets.PacketCounts`."""

    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    damaged: int = 0
    restarted: int = 0
    out_of_step: int = 0
    not_counting: int = 0
    unconfirmed: int = 0
    counting: str = ""

    def add(self, counts: PacketCounts) -> None:
        """Count the packets of a run."""
        together = PacketCounts(**self.model_dump()) + counts
        for name in type(self).model_fields:
            setattr(self, name, getattr(together, name))


class ReportRecord(_Record):
    """A report of the night."""

    notebook: str
    title: str
    status: Literal["complete", "failed"]
    page: str
    """Address of the page, relative to the folder of all reports."""
    finished: str
    message: str = ""
    own: bool = False
    """Whether the notebook is the user's: its failure is shown, and leaves the verdict of the night alone."""
    made_from: str = ""
    """Hash of what it was made from."""
    attempts: int = 1
    """How often it was tried with what it was made from."""


class LossRecord(_Record):
    """Packets of a counter that were lost, or are not as they should be, with when."""

    kind: str
    apid: int
    packets: int
    first: float
    """s TT since 2017-01-01, whole seconds of the data; so is `last`."""
    last: float


class ExcursionRecord(_Record):
    """A time that a parameter spent beyond its limits."""

    parameter: str
    level: Literal["warning", "alarm"]
    start: float
    """s TT since 2017-01-01; so is `stop`."""
    stop: float
    value: float
    limit: float | None = None
    unit: str = ""
    ongoing: bool = False
    """Whether it lasted at the end of the data."""


class AlertRecord(_Record):
    """An alert that the detector sent."""

    kind: str
    """Kind of packet, as the detector calls it."""
    time: float
    """On-board time of the packet, s TT since 2017-01-01."""


class TableRecord(_Record):
    """A calibration table in the night: the one that was used, and the one that was made."""

    used: str = ""
    """File of the table in use, relative to the home folder; empty: the nominal one."""
    status: Literal["", "made", "proposed", "none", "failed"] = ""
    """What came of making one; empty: none is made for this detector."""
    product: str = ""
    """File of the one that was made."""
    message: str = ""
    """Why there is none."""
    figures: dict[str, int | float] = {}
    """Figures of the one that was made, by name."""


class NightRecord(_Record):
    """All that is known of a night, without its arrays."""

    instrument: str
    title: str
    night: str
    """Name of the night: the UTC date on which it begins, YYYYMMDD."""
    start: str
    stop: str
    """Ends of the interval, ISO, UTC."""
    status: NightStatus
    key: str = ""
    """Hash of everything the night was made from; the same key needs no second run."""
    began: str = Field(default_factory=now)
    finished: str = ""
    message: str = ""
    failures: list[str] = []
    """Tasks that failed, each in a sentence."""
    runs: list[int] = []
    configuration_runs: list[int] = []
    """Those of what came while the instrument was configured: their photons are in no product."""
    packets_aside: int = 0
    """Photon packets of those."""
    simulated: bool | None = None
    photons: int = 0
    left_out: int = 0
    """Photons of no such pixel or channel, or with a time outside the night."""
    outside: int = 0
    """Photons outside the times that the housekeeping allows: in the photon files and in no sum."""
    exposure: float = 0.0
    """Seconds of good time."""
    good_time: dict[str, float] = {}
    """Seconds by criterion."""
    unknown_criteria: list[str] = []
    """Criteria of good time without housekeeping; taken as fulfilled."""
    packets: dict[str, PacketRecord] = {}
    """By APID."""
    losses: list[LossRecord] = []
    """When packets were lost, by kind and APID."""
    foreign_bytes: int = 0
    skipped: list[str] = []
    """Ranges of bytes that hold no packet, each in a sentence (the first hundred)."""
    alerts: int = 0
    alert_times: list[AlertRecord] = []
    """The first hundred of them."""
    alarms: int = 0
    warnings: int = 0
    excursions: list[ExcursionRecord] = []
    """The worst and newest of the times beyond limits."""
    newest: float | None = None
    """Time of the newest data, s TT since 2017-01-01."""
    parameters: int = 0
    """Housekeeping parameters with values."""
    checked: int = 0
    """Those that have limits."""
    tables: dict[str, TableRecord] = {}
    """Calibration tables by their card, with the prefix ECL."""
    products: list[str] = []
    """File names in the folder of the night."""
    reports: list[ReportRecord] = []

    @model_validator(mode="before")
    @classmethod
    def _of_the_version_before(cls, data: Any) -> Any:
        """Read a record that knows the gain alone, in fields of its own."""
        if not isinstance(data, dict) or "gain_used" not in data:
            return data
        rest = {name: value for name, value in data.items() if name not in ("gain", "gain_used")}
        made = dict(data.get("gain") or {})
        made["figures"] = {name: made.pop(name) for name in ("pixels", "fitted") if name in made}
        if data.get("gain"):
            made.setdefault("status", "proposed")
        return rest | {"tables": {GAIN_BEFORE: made | {"used": data["gain_used"]}}}

    @property
    def subject(self) -> str:
        """Detector and date, as a title says them."""
        return f"{self.title}, {self.night[:4]}-{self.night[4:6]}-{self.night[6:]}"

    @property
    def received(self) -> int:
        """Packets received, all APIDs."""
        return sum(p.received for p in self.packets.values())

    @property
    def lost(self) -> int:
        """Packets lost, all APIDs."""
        return sum(p.lost for p in self.packets.values())

    @property
    def damaged(self) -> int:
        """Packets damaged, all APIDs."""
        return sum(p.damaged for p in self.packets.values())

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, damaged, foreign, left out or failed."""
        bad = self.lost or self.damaged or self.foreign_bytes or self.left_out
        return self.status == "complete" and not bad

    @property
    def failed_reports(self) -> list[ReportRecord]:
        """Reports that failed."""
        return [r for r in self.reports if r.status == "failed"]

    @property
    def outcome(self) -> NightStatus:
        """Status of a night whose work has ended: own notebooks that failed do not count."""
        failed = self.failures or any(not report.own for report in self.failed_reports)
        return "incomplete" if failed else "complete"

    @property
    def headline(self) -> str:
        """One sentence in English, computed from the counts."""
        return self.headline_in(Texts("en"))

    def headline_in(self, texts: Texts) -> str:
        """One sentence, computed from the counts.

        Parameters
        ----------
        texts
            Language.
        """

        def count(key: str, number: int, **values: str) -> str:
            return texts(key, number, count=texts.number(number), **values)

        parts = [
            count("count_photons", self.photons),
            count("count_lost", self.lost, total=texts.number(self.received + self.lost)),
            count("label_damaged", self.damaged),
        ]
        if self.left_out:
            parts.append(count("count_left_out", self.left_out))
        if self.parameters:
            found = {
                "alarms": count("count_alarms", self.alarms),
                "warnings": count("count_warnings", self.warnings),
            }
            parts.append(count("count_parameters", self.parameters, **found))
        return texts("semicolon").join(parts) + "."

    def write(self, folder: Path) -> Path:
        """Write ``night.json`` into the folder of the night."""
        path = folder / "night.json"
        write_text(path, self.model_dump_json(indent=1))
        return path

    @classmethod
    def read(cls, folder: Path) -> "NightRecord":
        """Read ``night.json``.

        Raises
        ------
        MissingDataError
            Where there is none.
        BadDataError
            Where the file is not one.
        """
        path = folder / "night.json"
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise MissingDataError(
                "no record of a night", file=path, advice="run 'eic night' first"
            ) from error
        except ValidationError as error:
            raise BadDataError(
                f"not the record of a night: {error}", file=path, advice="'eic night --redo' writes it again"
            ) from error
