"""What repeats within a packet, on a pipe: lists of structures that other readers take back."""

import io
import json
import threading

import numpy as np
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet
import pytest

from eicpy.acquisition.delivery.formats import packet_writer
from eicpy.acquisition.delivery.passing import pass_on
from eicpy.instruments import PacketKind
from eicpy.packets import PacketHeaders, PacketLayout, decode, decode_alternatives, encode, index_packets
from eicpy.runs import RunArchive, provide
from eicpy.runs.provider.selection import Selection

TABLE = """name,bit_width,type,repeat,calibration,unit
N,8,uint,,,
KEY,32,bytes,,,
LEVELS,12,uint[4],,,
PIXEL,16,uint,N,,
OFFSET,16,int,N,poly:1;0.5,keV
MODE,4,uint,N,text:0=OFF;1=ON,
SPARE,4,pad,N,,
M,8,uint,N,,
LEVEL,32,float,N/M,,
BINS,16,int[3],N/M,,
TAG,16,bytes,N/M,,
HALF,16,float,N/2,,
"""


@pytest.fixture
def nesting(tmp_path, meddea):
    """A detector whose packets hold records within records."""
    (tmp_path / "nested.csv").write_text(TABLE)
    kind = PacketKind(apid=153, layout="nested.csv", kind="other")
    return meddea.model_copy(update={"folder": tmp_path, "packets": {"nested": kind}, "photons": None})


@pytest.fixture
def nested_packets(nesting):
    """Packets with 0 to 4 records, each of which holds 0 to 3 and two more."""
    rng = np.random.default_rng(5)
    layout = PacketLayout.read(nesting.layout_file("nested"))
    counts = rng.integers(0, 5, 25)
    within = rng.integers(0, 4, counts.sum())
    n, m = int(counts.sum()), int(within.sum())
    single = {"N": counts, "KEY": rng.integers(0, 256, (25, 4)), "LEVELS": rng.integers(0, 4096, (25, 4))}
    repeated = {
        "PIXEL": rng.integers(0, 65_536, n), "OFFSET": rng.integers(-9, 9, n), "MODE": rng.integers(0, 3, n),
        "M": within, "LEVEL": np.where(np.arange(m) % 5, rng.normal(size=m), np.nan),
        "BINS": rng.integers(-9, 9, (m, 3)), "TAG": rng.integers(0, 256, (m, 2)),
        "HALF": rng.normal(size=2 * n),
    }  # fmt: skip
    headers = PacketHeaders(153, np.arange(25), np.arange(25), np.zeros(25, np.int64))
    return encode(layout, headers, single, repeated, counts, header=nesting.header(153)).tobytes()


def written(form, folder, instrument, raw, **options):
    archive = RunArchive(folder / "archive", instrument.name)
    with archive.create(source="x") as writer:
        writer.append(raw)
    stream = io.BytesIO()
    kinds = options.pop("kinds", ())
    writer = packet_writer(form, stream, instrument, Selection(instrument, kinds=kinds), **options)
    with provide(archive, instrument, 1, kinds=kinds) as provider:
        pass_on(provider, writer, stop=threading.Event(), most_packets=7)
    return stream.getvalue()


def whole(raw, instrument):
    """What is in the packets by `decode`, written as plain objects without the writers."""
    index = index_packets(raw, instrument.headers)
    layout = PacketLayout.read(instrument.layout_file("nested"))
    found = decode(raw, index, layout)
    assert found.complete.all()
    column = {name: values.tolist() for name, values in found.repeated.items()}
    names = {0: "OFF", 1: "ON"}
    levels, halves = iter(range(len(column["LEVEL"]))), iter(range(len(column["HALF"])))
    records, at = [], 0
    for count in found.counts.tolist():
        records.append(
            [
                {
                    "PIXEL": column["PIXEL"][i],
                    "OFFSET": 1 + 0.5 * column["OFFSET"][i],
                    "MODE": names.get(column["MODE"][i], str(column["MODE"][i])),
                    "M": column["M"][i],
                    "LEVEL": [
                        {
                            "LEVEL": None if np.isnan(column["LEVEL"][k]) else column["LEVEL"][k],
                            "BINS": column["BINS"][k],
                            "TAG": bytes(column["TAG"][k]),
                        }
                        for k in (next(levels) for _ in range(column["M"][i]))
                    ],
                    "HALF": [{"HALF": column["HALF"][next(halves)]} for _ in range(2)],
                }
                for i in range(at, at + count)
            ]
        )
        at += count
    return records, found


def with_text(records):
    """The same as JSON has it: bytes as hexadecimal text."""
    for record in (inner for packet in records for outer in packet for inner in outer["LEVEL"]):
        record["TAG"] = record["TAG"].hex()
    return records


def without_nan(records):
    for record in (inner for packet in records for outer in packet for inner in outer["LEVEL"]):
        record["LEVEL"] = None if record["LEVEL"] is None or np.isnan(record["LEVEL"]) else record["LEVEL"]
    return records


def test_arrow_has_lists_of_structures_with_the_types_of_the_fields(tmp_path, nesting, nested_packets):
    table = pa.ipc.open_stream(
        written("arrow", tmp_path, nesting, nested_packets, kinds=("nested",))
    ).read_all()
    records, found = whole(nested_packets, nesting)
    inner = pa.struct({"LEVEL": pa.float32(), "BINS": pa.list_(pa.int16()), "TAG": pa.binary()})
    assert table.schema.field("PIXEL").type == pa.list_(
        pa.struct(
            {
                "PIXEL": pa.uint16(), "OFFSET": pa.float64(), "MODE": pa.string(), "M": pa.uint8(),
                "LEVEL": pa.list_(inner), "HALF": pa.list_(pa.struct({"HALF": pa.float32()})),
            }
        )
    )  # fmt: skip
    assert without_nan(table["PIXEL"].to_pylist()) == records
    assert table["KEY"].to_pylist() == [bytes(row) for row in found.columns["KEY"].tolist()]
    assert table["LEVELS"].to_pylist() == found.columns["LEVELS"].tolist()
    assert "LEVEL" not in table.column_names
    again = io.BytesIO()
    pa.parquet.write_table(table, again)
    assert without_nan(pa.parquet.read_table(again)["PIXEL"].to_pylist()) == records


def test_json_has_lists_of_objects_that_other_readers_take(tmp_path, nesting, nested_packets):
    text = written("jsonl", tmp_path, nesting, nested_packets)
    records, found = whole(nested_packets, nesting)
    records = with_text(records)
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["records"]["PIXEL"] for line in lines] == records
    assert [line["values"]["LEVELS"] for line in lines] == found.columns["LEVELS"].tolist()
    assert [line["values"]["KEY"] for line in lines] == [
        bytes(k).hex() for k in found.columns["KEY"].tolist()
    ]
    taken = pa.json.read_json(io.BytesIO(text))["records"].to_pylist()
    assert [packet["PIXEL"] for packet in taken] == records


def test_damaged_packets_have_no_records(tmp_path, nesting, nested_packets):
    damaged = bytearray(nested_packets)
    at = int(index_packets(nested_packets, nesting.headers).offset[3]) + 12
    damaged[at] ^= 1
    lines = written("jsonl", tmp_path / "j", nesting, bytes(damaged)).splitlines()
    assert [n for n, line in enumerate(lines) if "records" not in json.loads(line)] == [3]
    stream = written("arrow", tmp_path / "a", nesting, bytes(damaged), kinds=("nested",))
    table = pa.ipc.open_stream(stream).read_all()
    assert [n for n, some in enumerate(table["PIXEL"].to_pylist()) if some is None] == [3]


def test_records_can_be_left_out(tmp_path, nesting, nested_packets):
    lines = written("jsonl", tmp_path / "j", nesting, nested_packets, with_records=False).splitlines()
    assert not any("records" in json.loads(line) for line in lines)
    stream = written("arrow", tmp_path / "a", nesting, nested_packets, kinds=("nested",), with_records=False)
    assert not {"PIXEL", "KEY", "LEVELS"} & set(pa.ipc.open_stream(stream).read_all().column_names)


class TestRealPhotons:
    @pytest.fixture
    def raw(self, shared_data, meddea):
        """Real packets without a baseline, and one made of the same photons with one."""
        raw = (shared_data / "packets/padre_meddea/padreMDA0_240916122901.dat").read_bytes()
        layout, other = (PacketLayout.read(file) for file in meddea.layout_files("photons"))
        found = decode(raw, index_packets(raw, meddea.headers), layout)
        n = int(found.counts[0])
        single = {name: column[:1] for name, column in found.columns.items()}
        for name in ("INTEGRATION_OVERFLOW", "DECIMATION_LEVEL", "DROPPED"):
            del single[name]
        photons = {name: column[:n] for name, column in found.repeated.items()}
        photons["BASELINE"] = 3500 + np.arange(n)
        time = single["TIME_S"], single["TIME_CLOCKS"]
        headers = PacketHeaders(160, np.array([9]), *time)
        more = encode(other, headers, single, photons, np.array([n]), header=meddea.header(160))
        return raw + more.tobytes()

    def test_they_are_those_of_decode(self, tmp_path, meddea, raw):
        index = index_packets(raw, meddea.headers)
        layouts = [PacketLayout.read(file) for file in meddea.layout_files("photons")]
        truth = decode_alternatives(raw, index, layouts)
        stream = written("arrow", tmp_path / "a", meddea, raw, kinds=("photons",))
        table = pa.ipc.open_stream(stream).read_all()
        lines = [json.loads(line) for line in written("jsonl", tmp_path / "j", meddea, raw).splitlines()]
        assert [len(some) for some in table["TIME_STEP"].to_pylist()] == truth.decoded.counts.tolist()
        flat = table["TIME_STEP"].combine_chunks().flatten()
        for name, column in truth.decoded.repeated.items():
            absent = truth.absent.get(name, np.zeros(len(column), np.bool_))
            values = np.where(absent, None, column.astype(object)).tolist()
            assert flat.field(name).to_pylist() == values
            assert [p[name] for line in lines for p in line["records"]["TIME_STEP"]] == values
        assert truth.absent["BASELINE"].sum() == 767

    def test_photons_carry_their_baseline(self, tmp_path, meddea, raw):
        stream = written("arrow", tmp_path / "a", meddea, raw, with_photons=True)
        table = pa.ipc.open_stream(stream).read_all()
        assert table.num_rows == 767 + 190
        assert table["baseline"].null_count == 767
        assert table["baseline"].to_pylist()[767:] == list(range(3500, 3690))
        lines = written("jsonl", tmp_path / "j", meddea, raw, with_photons=True).splitlines()
        assert [b for line in lines for b in json.loads(line)["photons"]["baseline"]] == (
            table["baseline"].to_pylist()
        )
