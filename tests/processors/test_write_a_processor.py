"""The processors of the how-to do what it says they do."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from eicpy.acquisition.status import Station
from eicpy.processors import Job, find_processor, run_processor
from eicpy.runs import RunArchive

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-processor.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
FILES = {re.match(r'"""(\w+\.py):', block)[1]: block for block in BLOCKS}


@pytest.fixture
def process(settings, tmp_path, bench):
    def run(name, **options):
        file = name.partition(":")[0]
        (tmp_path / file).write_text(FILES[file])
        job = Job(find_processor(f"{tmp_path}/{name}"), bench.name, **options)
        return run_processor(job, settings).outputs

    return run


@pytest.fixture
def photons(settings, bench):
    def run(packets):
        with RunArchive(settings.archive(bench.name), bench.name).create(source="test") as writer:
            writer.append(b"".join(packets))

    return run


def test_every_program_of_the_page_is_run():
    assert sorted(FILES) == ["hot_pixels.py", "rates.py"]
    assert all(len(block.splitlines()) <= 30 for block in BLOCKS)


def test_rates(process, photons, bench):
    photons(bench.photons(0, 30))
    rows = (process("rates.py:rates", once=True) / "rates.csv").read_text().split()
    assert rows == [f"{number},20" for number in range(30)]
    rows = (process("rates.py:rates", runs=(1,), parameters={"threshold": "20"}) / "rates.csv").read_text()
    assert Counter(line.partition(",")[2] for line in rows.split()) == {"0": 20, "20": 10}


def test_hot_pixels(process, photons, bench, settings):
    usual = bench.photons(0, bench.instrument.pixels.count)
    photons(usual + bench.photons(0, 1) * 200)
    folder = process("hot_pixels.py:HotPixels", once=True, parameters={"factor": "3"})
    rows = [line.split(",") for line in (folder / "hot-pixels.csv").read_text().split()]
    assert [int(pixel) for _, pixel, _ in rows] == list(range(20))
    assert {run for run, _, _ in rows} == {"1"}
    assert np.all(np.array([int(count) for *_, count in rows]) == 220)
    values = Station(settings.live(bench.name)).status("HotPixels").values["parameters"]
    assert (values["factor"], values["hot"]) == (3.0, 20)
