"""Tasks: the same results everywhere, and a failure that stays its own."""

import math
import os

from eicpy.pipeline.tasks import run_tasks


def test_a_failing_task_is_told_and_the_others_run():
    told = []
    outcomes = run_tasks(math.sqrt, [(4,), (-1,), (9,)], done=lambda n, o: told.append((n, o.failure)))
    assert [o.result for o in outcomes] == [2.0, None, 3.0]
    assert outcomes[1].failure == "ValueError: math domain error"
    assert [n for n, _ in told] == [0, 1, 2]


def test_other_processes_give_the_same():
    arguments = [(4,), (-1,), (9,)]
    assert run_tasks(math.sqrt, arguments, workers=2) == run_tasks(math.sqrt, arguments)


def test_a_worker_that_dies_does_not_take_the_others_with_it():
    outcomes = run_tasks(os._exit, [(1,), (1,)], workers=1)
    assert all("worker was lost" in o.failure for o in outcomes)


def test_no_task_is_no_work():
    assert run_tasks(math.sqrt, [], workers=2) == []
