import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import CdsFormat, CucFormat, read_p_field


@given(st.integers(1, 7), st.integers(0, 7), st.data())
def test_cuc_integers_survive(coarse_bytes, fine_bytes, data):
    form = CucFormat(coarse_bytes, fine_bytes)
    coarse = data.draw(st.lists(st.integers(0, 256**coarse_bytes - 1), min_size=1, max_size=5))
    fine = [data.draw(st.integers(0, 256**fine_bytes - 1)) for _ in coarse]
    code = form.encode(coarse, fine)
    assert code.shape == (len(coarse), form.length)
    back = form.decode(code.tobytes())
    assert (back[0].tolist(), back[1].tolist()) == (coarse, fine)
    assert read_p_field(form.p_field) == (form, len(form.p_field))


@given(st.sampled_from([2, 3]), st.sampled_from([0, 2, 4]), st.booleans(), st.data())
def test_cds_integers_survive(day_bytes, sub_bytes, agency, data):
    form = CdsFormat(day_bytes, sub_bytes, agency)
    day = data.draw(st.integers(0, 256**day_bytes - 1))
    millisecond = data.draw(st.integers(0, 86_400_999))
    part = data.draw(st.integers(0, 999)) if sub_bytes else 0
    code = form.encode(day, millisecond, part)
    assert [int(x[0]) for x in form.decode(code)] == [day, millisecond, part]
    assert read_p_field(form.p_field) == (form, 1)


def test_values_of_the_standard():
    assert CucFormat(4, 3, agency_epoch=False).p_field == b"\x1f"
    assert CucFormat(4, 2).p_field == b"\x2e"
    assert CdsFormat().p_field == b"\x40"
    assert CucFormat(4, 2).tick == 2.0**-16
    coarse, fine = CucFormat(4, 2).decode(bytes.fromhex("279617114000"))
    assert (int(coarse[0]), int(fine[0])) == (0x27961711, 0x4000)


def test_jpss_times_are_cds_like_ccsdspy_reads_them(shared_data):
    raw = (shared_data / "packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1").read_bytes()
    codes = np.frombuffer(raw, np.uint8).reshape(-1, 71)[:, 6:14]
    day, millisecond, micro = CdsFormat(2, 2).decode(np.ascontiguousarray(codes))
    assert set(day.tolist()) <= {23109, 23110}
    microseconds = (day * 86_400_000 + millisecond) * 1000 + micro
    assert (np.diff(microseconds) > 0).all()


@pytest.mark.parametrize("data", [b"", b"\x9e", b"\x00", b"\x50", b"\x43"])
def test_what_is_no_p_field_is_refused(data):
    with pytest.raises(BadDataError, match="P-field"):
        read_p_field(data)


def test_bad_arguments_are_named():
    with pytest.raises(BadArgumentError, match="8 \\+ 2"):
        CucFormat(8, 2)
    with pytest.raises(BadArgumentError, match="5 bytes of days"):
        CdsFormat(5)
    with pytest.raises(BadArgumentError, match="256"):
        CucFormat(1, 0).encode(256, 0)
    with pytest.raises(BadDataError, match="multiple of 6"):
        CucFormat(4, 2).decode(b"12345")
