"""Errors that machines tell apart."""

import pytest

from eicpy import errors
from eicpy.errors import EicpyError, ExitCode

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EicpyError)]


def test_every_class_has_a_kind_and_a_status_of_its_own():
    concrete = [c for c in CLASSES if c is not EicpyError]
    assert len({c.kind for c in concrete}) == len({c.http_status for c in concrete}) == len(concrete) == 6


@pytest.mark.parametrize("error", [c for c in CLASSES if c is not EicpyError])
def test_the_table_says_what_the_class_is(error):
    row = f"{error.__name__} ``{error.kind}`` {int(error.exit_code)} {int(error.http_status)}"
    assert row in " ".join(errors.__doc__.split())


def test_what_does_not_exist_is_a_wrong_call_for_the_shell():
    assert errors.NotFoundError.exit_code == errors.ConflictError.exit_code == ExitCode.BAD_ARGUMENTS
