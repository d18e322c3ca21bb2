"""Parameters are checked against the notebook before a kernel starts."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.reports import report
from eicpy.reports.execution import Execution
from eicpy.reports.parameters import check_parameters, parameter_model

DECLARED = 'night: str = ""\nbins: int = 20\nlevel: float = 1.5\nquick: bool = False\nname: str | None = None'


def test_defaults_are_those_of_the_notebook(make_notebook):
    path = make_notebook(parameters=DECLARED)
    assert check_parameters(path, {}) == {"night": "", "bins": 20, "level": 1.5, "quick": False, "name": None}


def test_values_of_the_right_type_are_taken(make_notebook):
    path = make_notebook(parameters=DECLARED)
    values = check_parameters(path, {"bins": 7, "level": 2, "name": "x", "quick": True})
    assert values["bins"] == 7
    assert values["level"] == 2.0
    assert values["name"] == "x"


@pytest.mark.parametrize(
    "wrong", [{"bin": 7}, {"bins": "7"}, {"bins": 1.5}, {"quick": 1}, {"night": 3}, {"bins": None}]
)
def test_unknown_names_and_wrong_types_are_refused_and_named(make_notebook, wrong):
    path = make_notebook(parameters=DECLARED)
    with pytest.raises(BadArgumentError, match=next(iter(wrong))) as error:
        check_parameters(path, wrong)
    assert "bins: int = 20" in str(error.value)


def test_text_of_a_command_line_becomes_the_declared_type(make_notebook):
    path = make_notebook(parameters=DECLARED)
    values = check_parameters(path, {"bins": "7", "quick": "true", "night": "5"}, mode="text")
    assert (values["bins"], values["quick"], values["night"]) == (7, True, "5")
    with pytest.raises(BadArgumentError, match="bins"):
        check_parameters(path, {"bins": "seven"}, mode="text")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t"), max_size=30))
def test_any_text_reaches_a_text_parameter_unchanged(make_notebook, text):
    path = make_notebook(parameters='night: str = ""')
    assert check_parameters(path, {"night": text}, mode="text") == {"night": text}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("level", "nan", "finite number"),
        ("level", "-inf", "finite number"),
        ("level", "1e999", "finite number"),
        ("level", float("nan"), "finite number"),
        ("bins", "9" * 25, "64 bits"),
        ("bins", -(10**30), "64 bits"),
        ("night", "\udcff", "UTF-8"),
        ("night", "a\x1b[31m", "control characters"),
        ("night", "x" * 70_000, "at most 65536"),
        ("ni\udcff", "x", "UTF-8"),
    ],
)
def test_what_nothing_can_use_is_refused(make_notebook, name, value, words):
    path = make_notebook(parameters='night: str = ""\nlevel: float = 3.0\nbins: int = 20')
    with pytest.raises(BadArgumentError, match=words) as caught:
        check_parameters(path, {name: value}, mode="text" if isinstance(value, str) else "python")
    str(caught.value).encode()


@pytest.mark.parametrize(
    "cell",
    [
        "bins = 20", "bins: int", "bins: list[int] = []", "bins: int = len('x')", "a b",
        "bins: Annotated[int, print('x')] = 1", "bins: Annotated[int, Field(default=3)] = 1",
        "bins: Annotated[int, Field(ge=open('x'))] = 1",
        "bins: Annotated[str, Field(ge='a', multiple_of=2)] = 'b'",
        "bins: Annotated[int, Field(ge=1)] = 0", "bins: Literal['a'] = 'b'", "bins: int = 'x'",
        "bins: int = " + "(" * 5000, "bins: int = 1\0",
    ],
)  # fmt: skip
def test_a_cell_that_declares_no_type_or_no_literal_is_refused(make_notebook, cell):
    with pytest.raises(BadDataError, match=r"small\.ipynb"):
        parameter_model(make_notebook(parameters=cell))


RANGES = """from typing import Annotated, Literal
from pydantic import Field
bins: Annotated[int, Field(ge=1, le=600)] = 20
level: Annotated[float, Field(gt=0.5)] = 1.5
name: Annotated[str, Field(max_length=8)] | None = None
scale: Literal["linear", "log"] = "linear\""""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bins", 0, "bins: input should be greater than or equal to 1, got 0"),
        ("bins", -5, "at least 1, at most 600"),
        ("bins", 601, "less than or equal to 600"),
        ("bins", 10**18, "less than or equal to 600"),
        ("level", 0.5, "more than 0.5"),
        ("name", "x" * 9, "at most 8"),
        ("scale", "cubic", "'linear' or 'log'"),
    ],
)
def test_a_value_outside_its_range_is_refused_with_the_range(make_notebook, name, value, words):
    path = make_notebook(parameters=RANGES)
    for typed, mode in ((value, "python"), (str(value), "text")):
        with pytest.raises(BadArgumentError) as caught:
            check_parameters(path, {name: typed}, mode=mode)
        assert words.replace("got 0", f"got {typed!r}") in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("bins", 1), ("bins", 600), ("name", "x" * 8), ("scale", "log")])
def test_a_value_at_the_end_of_its_range_is_taken(make_notebook, name, value):
    path = make_notebook(parameters=RANGES)
    assert check_parameters(path, {name: str(value)}, mode="text")[name] == value


def test_a_wrong_parameter_on_the_command_line_loads_nothing_that_runs_notebooks():
    """What takes seconds to import is not imported to refuse a number."""
    code = """import sys
from eicpy.cli import main
try:
    main(["report", "monitoring", "-p", "bin_seconds=-5"], prog_name="eic")
except SystemExit as end:
    loaded = {"nbformat", "papermill", "nbclient", "zmq", "bokeh", "astropy", "numba"} & sys.modules.keys()
    sys.exit(f"loaded {loaded}" if loaded else end.code)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "bin_seconds: input should be greater than or equal to 0" in done.stderr


def test_a_notebook_without_parameters_takes_none(make_notebook):
    path = make_notebook("1 + 1")
    assert check_parameters(path, {}) == {}
    with pytest.raises(BadArgumentError):
        check_parameters(path, {"x": 1})


def test_what_is_no_notebook_is_refused(tmp_path: Path):
    with pytest.raises(BadArgumentError, match="does not exist"):
        parameter_model(tmp_path / "missing.ipynb")
    for content in (b"", b"{", b"{}", b"\xff\xfe\x00"):
        (tmp_path / "bad.ipynb").write_bytes(content)
        with pytest.raises(BadDataError):
            parameter_model(tmp_path / "bad.ipynb")


def test_parameters_that_were_checked_are_not_checked_again(make_notebook, tmp_path, monkeypatch):
    path = make_notebook("print(bins)", parameters="bins: int = 20")
    values = check_parameters(path, {"bins": "7"}, mode="text")
    monkeypatch.setattr(report, "check_parameters", lambda *_: pytest.fail("checked twice"))
    monkeypatch.setattr(
        report, "execute", lambda _path, source, given, *_, **_k: Execution(source, str(given))
    )
    assert report.run_report(path, values, tmp_path / "report").parameters == {"bins": 7}
