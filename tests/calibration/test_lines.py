"""The line tables are xraydb's, and a model that cannot work is refused."""

import csv

import numpy as np
import pytest
import xraydb

from eicpy.calibration import Block, Line, LineModel
from eicpy.calibration.gain.calibration import GainCalibration
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import load

CAMERA = load("eclairs")


def rows(name):
    return list(csv.DictReader((CAMERA.folder / name).read_text().splitlines()))


def test_energies_and_shares_are_those_of_xraydb():
    table = rows("lines.csv")
    for row in table:
        known = xraydb.xray_lines(row["element"])
        assert float(row["energy_kev"]) == pytest.approx(known[row["transition"]].energy / 1e3, abs=1e-4)
        group = [r for r in table if r["group"] == row["group"]]
        total = sum(known[r["transition"]].intensity for r in group)
        assert float(row["fraction"]) == pytest.approx(known[row["transition"]].intensity / total, abs=1e-5)


def test_no_strong_line_of_the_elements_is_missing():
    table = {(row["element"], row["transition"]) for row in rows("lines.csv")}
    for element in ("Cd", "Te", "Ta", "Pb"):
        for name, line in xraydb.xray_lines(element).items():
            if line.initial_level == "K" and line.intensity > 0.01:
                assert (element, name) in table


def test_edges_are_those_of_xraydb():
    for row in rows("absorption-edges.csv"):
        energy = xraydb.xray_edge(row["element"], row["edge"]).energy / 1e3
        assert float(row["energy_kev"]) == pytest.approx(energy, abs=1e-4)


def test_the_model_of_eclairs_has_its_shares_and_names_in_order():
    model = LineModel.of(CAMERA)
    arrays = model.arrays()
    for b in range(len(model.blocks)):
        own = slice(arrays.first_line[b], arrays.first_line[b + 1])
        shares = np.bincount(arrays.group[own], arrays.fraction[own])
        np.testing.assert_allclose(shares, 1.0, atol=1e-5)
    assert len(model.parameter_names) == arrays.n_parameters == 22
    assert model.parameter_names[arrays.first_parameter[1]] == "Ta K sigma"
    assert model.groups[:2] == ("Cd Ka", "Cd Kb")


def line(energy):
    return Line("A", "A line", energy, 1.0)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ((), "no block"),
        ((Block("one", 20.0, 30.0, ()),), "it has none"),
        ((Block("one", 20.0, 30.0, (line(40.0),)),), "outside"),
        ((Block("one", 20.0, 30.0, (line(25.0),)), Block("two", 29.0, 60.0, (line(50.0),))), "overlap"),
        ((Block("one", 20.0, 30.0, (line(25.0),)),), "well apart"),
    ],
)
def test_models_that_cannot_work_are_refused(blocks, words):
    with pytest.raises(BadArgumentError, match=words):
        LineModel(blocks)


def test_a_resolution_must_be_positive():
    with pytest.raises(BadArgumentError, match="resolution"):
        LineModel(LineModel.of(CAMERA).blocks, fwhm=0.0)


def test_tables_of_another_detector_can_be_read(tmp_path):
    lines, blocks = tmp_path / "lines.csv", tmp_path / "blocks.csv"
    lines.write_text(
        "block,group,element,transition,energy_kev,fraction\nlow,a,Ba,Ka1,32.19,1\nhigh,b,Ba,133,80.998,1\n"
    )
    blocks.write_text("block,low_kev,high_kev\nlow,28,36\nhigh,76,86\n")
    model = LineModel.from_csv(lines, blocks, fwhm=0.9)
    assert [block.name for block in model.blocks] == ["low", "high"]
    assert model.blocks[0].edges == ()


def test_broken_tables_are_named(tmp_path):
    lines = tmp_path / "lines.csv"
    lines.write_text("block,group\n")
    with pytest.raises(BadDataError, match=r"lines\.csv.*energy_kev"):
        LineModel.from_csv(lines, lines)
    lines.write_text("block,group,element,transition,energy_kev,fraction\na,a,Pb,Ka1,seventy,1\n")
    with pytest.raises(BadDataError, match="seventy"):
        LineModel.from_csv(lines, lines)
    with pytest.raises(BadDataError, match="unreadable"):
        LineModel.from_csv(tmp_path / "none.csv", lines)


def test_a_detector_without_lines_has_no_model():
    with pytest.raises(BadArgumentError, match=r"meddea without lines.*gain\.lines"):
        LineModel.of(load("meddea"))


def test_the_former_default_is_eclairs_and_warns():
    with pytest.warns(DeprecationWarning, match=r"LineModel\.of"):
        assert LineModel.default() == LineModel.of(CAMERA)


def test_a_description_of_before_takes_the_lines_of_eclairs_for_one_release():
    before = CAMERA.model_copy(update={"gain": CAMERA.gain.model_copy(update={"lines": None})})
    table = GainCalibration(before)
    assert table.applies
    with pytest.warns(DeprecationWarning, match=r"\[gain.lines\]"):
        assert table.lines == LineModel.of(CAMERA)
    assert table.requirement == CAMERA.energy.requirement
