"""Page, figure, report, night, ledger and terminal say the same of every value against any limits."""

from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import text

from eicpy.dashboard import markup
from eicpy.dashboard.health import HousekeepingHistory
from eicpy.figures import plots, theme
from eicpy.health import CLASSES, LEVELS, REASONS, HealthState, Reason, Tense, Verdict
from eicpy.health import judge as verdict_of
from eicpy.health.values import ValueWindow
from eicpy.housekeeping import Limits, LimitWatch, Severity, check_limits, judge
from eicpy.ingestion import entries_of
from eicpy.monitor import sections
from eicpy.operations import excursions, open_database, record_excursions
from eicpy.packets import PacketLayout
from eicpy.pipeline.parameter_series import ParameterSeries
from eicpy.settings import Settings
from eicpy.text import Texts

RANGES = {
    "all": (-20.0, -10.0, -25.0, -5.0),
    "warnings": (-20.0, -10.0, None, None),
    "alarms": (None, None, -25.0, -5.0),
    "high": (None, -10.0, None, -5.0),
    "low": (-20.0, None, -25.0, None),
    "one alarm": (None, None, None, -5.0),
    "crossed": (-20.0, None, None, -5.0),
    "equal": (-20.0, -10.0, -20.0, -10.0),
    "none": (None, None, None, None),
}
BOUNDS = (-25.0, -20.0, -10.0, -5.0)
VALUES = (
    np.nan, np.inf, -np.inf, -15.0,
    *(v for b in BOUNDS for v in (b, float(np.nextafter(b, -np.inf)), float(np.nextafter(b, np.inf)))),
)  # fmt: skip


def expected(value: float, ranges: tuple[float | None, ...]) -> Severity:
    """The rule, read out in words."""
    warning_low, warning_high, alarm_low, alarm_high = ranges
    if np.isnan(value):
        return Severity.UNKNOWN
    if (alarm_low is not None and value < alarm_low) or (alarm_high is not None and value > alarm_high):
        return Severity.ALARM
    if (warning_low is not None and value < warning_low) or (
        warning_high is not None and value > warning_high
    ):
        return Severity.WARNING
    return Severity.NOMINAL


@pytest.fixture(params=RANGES)
def ranges(request):
    return RANGES[request.param]


@pytest.fixture
def layout(ranges):
    cells = ",".join("" if limit is None else str(limit) for limit in ranges)
    return PacketLayout.parse(
        "name,bit_offset,bit_width,type,repeat,repeat_stride_bits,calibration,unit,"
        f"warning_low,warning_high,alarm_low,alarm_high,description\nT,0,8,uint,,,,degC,{cells},\n"
    )


@pytest.mark.parametrize("value", VALUES)
def test_the_rule(ranges, value):
    assert judge(value, Limits(*ranges)) is expected(value, ranges)
    assert judge([np.nan, value], Limits(*ranges)) is expected(value, ranges)


@pytest.mark.parametrize("value", VALUES)
def test_the_page_and_its_figure(layout, ranges, value):
    history = HousekeepingHistory()
    values = {"T": np.array([value])}
    history.add({"hk": SimpleNamespace(time=np.zeros(1), values=values, texts={}, layout=layout)})
    shown = history.last("hk", "T")
    severity = expected(value, ranges)
    assert shown.level is severity
    window = ValueWindow(600.0)
    window.add({"hk": SimpleNamespace(time=np.zeros(1), values=values, texts={}, layout=layout)})
    judged = verdict_of(HealthState(tense=Tense.NOW, excursions=window.excursions(from_start=True)))
    codes = {Severity.ALARM: ["beyond-alarm"], Severity.WARNING: ["beyond-warning"]}
    assert judged.level is max(severity, Severity.NOMINAL)
    assert [reason.code for reason in judged.reasons] == codes.get(severity, [])
    chip = markup.CLASSES[severity] if layout.limits else "none"
    assert f'class="eic-chip {chip}"' in markup.parameter_table([shown], Texts("en"))
    figure = plots.housekeeping([0.0], [value], shown.limits, "T")
    (colour,) = figure.select_one({"name": "points"}).data_source.data["colour"]
    marks = {Severity.WARNING: theme.WARNING, Severity.ALARM: theme.ALARM}
    assert colour == marks.get(severity, theme.COLOURS[0])


@pytest.mark.parametrize("value", VALUES)
def test_the_report(layout, ranges, value):
    series = ParameterSeries("T", "degC", "", np.zeros(2), np.array([-15.0, value]), layout["T"].limits)
    assert series.level is max(Severity.NOMINAL, expected(value, ranges))


def test_night_live_chain_and_ledger(tmp_path, layout, ranges):
    limits = layout["T"].limits
    with open_database(Settings.at(tmp_path)) as database:
        for number, value in enumerate(VALUES):
            severity = expected(value, ranges)
            beyond = [severity] if severity >= Severity.WARNING else []
            night = check_limits([0.0], [value], limits, parameter=f"T{number}")
            live = LimitWatch().check(f"T{number}", [0.0], [value], limits)
            assert [e.level for e in night] == [e.level for e in live] == beyond
            rows = record_excursions(database, "eclairs", "20261121", entries_of(night))
            assert [row.level for row in rows] == beyond
        kept = excursions(database, instrument="eclairs")
        with database.read() as session:
            words = session.execute(text("select parameter, level from excursion order by id")).all()
    judged = {f"T{number}": expected(value, ranges) for number, value in enumerate(VALUES)}
    assert {row.parameter: row.level for row in kept} == {
        name: severity for name, severity in judged.items() if severity >= Severity.WARNING
    }
    assert [word for _, word in words] == [str(judged[name]) for name, _ in words]


def test_terminal_and_page_of_the_chain_word_the_same_severity():
    assert {type(severity) for severity in REASONS.values()} == {Severity}
    for code, severity in REASONS.items():
        assert Verdict((Reason(code),)).level is severity
        assert LEVELS[severity].isupper()
        assert sections.LEVEL_STYLES[severity]
        assert markup.CLASSES is CLASSES
        assert CLASSES[severity]
    assert Verdict().level is Severity.NOMINAL
