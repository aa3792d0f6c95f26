"""Recordings: what is chosen, what is stored, what a replay refuses."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbird_v2.data import feature_id
from deepbird_v2.data.errors import DataError
from deepbird_v2.data.record import DataRecord, decode_record, encode_record
from verify.traffic.recorder import Recorder, RecordingInfo
from verify.traffic.verify import verify_traffic
from verify.verdict import Status

ALL = RecordingInfo("v1")


def record_all(flights, path, info=ALL):
    answers = zip(*flights.v1.values(), strict=True)
    scores = [dict(zip(flights.v1, row, strict=True)) for row in answers]
    with Recorder(path, tuple(flights.v1), info) as recorder:
        for row, (record, score) in enumerate(zip(flights.records, scores, strict=True)):
            recorder.add(f"request {row}", record, score)
    return path


def test_a_recording_is_replayed(flights, tmp_path):
    path = record_all(flights, tmp_path / "all.parquet")
    assert verify_traffic(path, path, flights.model()).verdict.status is Status.PASS


@given(st.floats(0.0, 1.0, exclude_min=True), st.integers(-(2**40), 2**40))
def test_the_choice_depends_on_rate_seed_and_id_alone(rate, seed):
    info, more = RecordingInfo("v1", rate, seed), RecordingInfo("v1", min(1.0, 2 * rate), seed)
    ids = [str(i) for i in range(50)]
    chosen = {i for i in ids if info.chooses(i)}
    assert chosen == {i for i in reversed(ids) if RecordingInfo("v2", rate, seed).chooses(i)}
    assert chosen <= {i for i in ids if more.chooses(i)}


def test_a_sample_has_about_its_share(flights, tmp_path):
    info = RecordingInfo("v1", rate=0.2, seed=3)
    path = record_all(flights, tmp_path / "some.parquet", info)
    assert 400 < pq.read_metadata(path).num_rows < 600
    assert RecordingInfo.read(path) == info


def test_scrubbed_features_are_gone_and_a_model_that_reads_them_is_refused(flights, tmp_path):
    info = RecordingInfo("v1", scrubbed=("aircraft.tailnum", "aircraft.is_known"))
    path = record_all(flights, tmp_path / "scrubbed.parquet", info)
    stored = decode_record(pq.read_table(path)["record"][0].as_py())
    before = decode_record(flights.records[0])
    assert stored.string == {
        id_: text for id_, text in before.string.items() if id_ != feature_id("aircraft.tailnum")
    }
    assert (stored.continuous, stored.discrete) == (before.continuous, before.discrete)
    with pytest.raises(ValueError, match=r"without aircraft\.tailnum, aircraft\.is_known"):
        verify_traffic(path, path, flights.model())


def test_an_altered_record_is_found(flights, tmp_path):
    table = pq.read_table(record_all(flights, tmp_path / "all.parquet"))
    records = table["record"].to_pylist()
    records[1234] = encode_record(DataRecord(continuous={1: 2.0}))
    column = table.column_names.index("record")
    pq.write_table(
        table.set_column(column, "record", pa.array(records)), tmp_path / "altered.parquet"
    )
    with pytest.raises(DataError, match="record 1234 is not what was recorded"):
        verify_traffic(tmp_path / "altered.parquet", tmp_path / "altered.parquet", flights.model())


def record_and_stop(path):
    with Recorder(path, ("s",), ALL) as recorder:
        recorder.add("1", b"\0", {"s": 1.0})
        raise RuntimeError("stop")


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="stop"):
        record_and_stop(tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [0.0, -1.0, 1.5, float("nan")])
def test_a_rate_is_a_share(rate):
    with pytest.raises(ValueError, match="sampling rate"):
        RecordingInfo("v1", rate)
