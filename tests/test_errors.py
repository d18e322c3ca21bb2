"""Errors that machines tell apart."""

from pathlib import Path

import pytest

from eicpy import errors
from eicpy.acquisition.reception.sockets import bind_tcp
from eicpy.errors import EicpyError, ExitCode
from eicpy.instruments import load
from eicpy.messaging import open_bus
from eicpy.packets.buffers import map_file
from eicpy.processors.discovery import find_processor
from eicpy.products import definition, read_product
from eicpy.reports.notebooks import nightly_notebook
from eicpy.runs import RunArchive

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EicpyError)]


def test_every_class_has_a_kind_and_every_family_a_status_of_its_own():
    concrete = [c for c in CLASSES if c is not EicpyError]
    assert len({c.kind for c in concrete}) == len(concrete) == 10
    families = [c for c in concrete if sum(issubclass(base, EicpyError) for base in c.__bases__) == 1]
    assert len({c.http_status for c in families}) == len(families) == 7


@pytest.mark.parametrize(
    ("error", "one", "other"),
    [
        (errors.MissingDataError, errors.NotFoundError, errors.BadDataError),
        (errors.InUseError, errors.ConflictError, errors.FailedError),
        (errors.RefusedError, errors.NotAllowedError, errors.FailedError),
    ],
)
def test_a_class_of_two_families_has_the_status_of_one_and_the_exit_code_of_the_other(error, one, other):
    assert issubclass(error, one)
    assert issubclass(error, other)
    assert (error.http_status, error.exit_code) == (one.http_status, other.exit_code)


@pytest.mark.parametrize("error", [c for c in CLASSES if c is not EicpyError])
def test_the_table_says_what_the_class_is(error):
    row = f"{error.__name__} ``{error.kind}`` {int(error.exit_code)} {int(error.http_status)}"
    assert row in " ".join(errors.__doc__.split())


def test_what_does_not_exist_is_a_wrong_call_for_the_shell():
    assert errors.NotFoundError.exit_code == errors.ConflictError.exit_code == ExitCode.BAD_ARGUMENTS


@pytest.mark.parametrize(
    ("number", "error"), [(1, errors.InUseError), (2, errors.ConflictError), (3, errors.NotFoundError)]
)
def test_a_run_that_cannot_be_written_says_why_to_a_machine(tmp_path, number, error):
    archive = RunArchive(tmp_path, "eclairs")
    with archive.create(source="bench"):
        archive.create(source="bench").close()
        with pytest.raises(error) as caught:
            archive.reopen(number)
    assert type(caught.value) is error


def test_a_file_that_is_missing_is_not_one_that_is_damaged(tmp_path):
    with pytest.raises(errors.MissingDataError, match="No such file"):
        read_product(tmp_path / "absent.fits")
    (tmp_path / "empty.fits").touch()
    with pytest.raises(errors.BadDataError) as caught:
        read_product(tmp_path / "empty.fits")
    assert not isinstance(caught.value, errors.NotFoundError)


def test_a_port_that_is_taken_is_in_use():
    (listening,) = bind_tcp("127.0.0.1", 0)
    with listening, pytest.raises(errors.InUseError, match="Address already in use"):
        bind_tcp("127.0.0.1", listening.getsockname()[1])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: definition("ECL-NOT-HERE"),
        lambda: definition("ECL-EVT-CAL").table("ABSENT"),
        lambda: open_bus("carrier-pigeon://", "eic"),
        lambda: load("no-such-detector"),
        lambda: find_processor("no-such-processor"),
        lambda: nightly_notebook("no-such-notebook"),
        lambda: map_file(Path("no-such-file")),
    ],
)
def test_a_name_that_nothing_has_is_not_found(ask):
    with pytest.raises(errors.NotFoundError, match=r"no-such|expected one of"):
        ask()
