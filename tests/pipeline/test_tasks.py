"""Tasks: the same results everywhere, and a failure that stays its own."""

import math
import os
import signal
import threading
from contextlib import contextmanager

from distributed import LocalCluster

from eicpy.errors import BadDataError
from eicpy.pipeline import tasks
from eicpy.pipeline.tasks import run_tasks


def test_the_log_holds_where_an_unknown_error_happened_and_a_known_one_speaks_for_itself(caplog):
    def refuse(_):
        raise BadDataError("got nothing, expected a night")

    run_tasks(math.sqrt, [(4,), (-1,)])
    (record,) = caplog.records
    assert record.exc_info[0] is ValueError
    caplog.clear()
    (outcome,) = run_tasks(refuse, [(1,)])
    assert "expected a night" in outcome.failure
    assert not caplog.records


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


@contextmanager
def cluster(**options):
    """A Dask scheduler of our own, as a site has one."""
    with LocalCluster(
        threads_per_worker=1, dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
        silence_logs=False,  # it would silence the handlers of Bokeh too, among them that of `caplog`
        **options,
    ) as made:  # fmt: skip
        yield made


def test_a_worker_of_a_scheduler_that_is_killed_is_replaced(tmp_path):
    mark = tmp_path / "was killed"

    def killed_once(number):
        if number == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return math.sqrt(number)

    with cluster(n_workers=1) as made:
        outcomes = run_tasks(killed_once, [(4,), (1,), (9,)], scheduler=made.scheduler_address)
    assert mark.exists()
    assert [(o.result, o.failure) for o in outcomes] == [(2.0, ""), (1.0, ""), (3.0, "")]


def test_a_scheduler_without_workers_is_not_waited_for_without_end(monkeypatch, caplog):
    monkeypatch.setattr(tasks, "WORKER_SECONDS", 0.5)
    monkeypatch.setattr(tasks, "ASK_SECONDS", 0.05)
    with cluster(n_workers=0) as made:
        outcomes = run_tasks(math.sqrt, [(4,), (9,)], scheduler=made.scheduler_address)
        assert [o.failure for o in outcomes] == ["the Dask scheduler had no worker for 0 s"] * 2
    assert "the Dask scheduler has no worker; waiting" in caplog.text


def test_a_scheduler_that_is_lost_fails_its_tasks_in_words(monkeypatch):
    monkeypatch.setattr(tasks, "WORKER_SECONDS", 2.0)
    with cluster(n_workers=0) as made:
        closing = threading.Timer(0.3, made.close)
        closing.start()
        outcomes = run_tasks(math.sqrt, [(4,)], scheduler=made.scheduler_address)
        closing.join()
    assert "the Dask scheduler" in outcomes[0].failure
