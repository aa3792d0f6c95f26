"""Files of requests and answers, piece by piece: what comes out does not depend on the pieces."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.data import encode_predictions, feature_id, read_records, write_records
from deepbird_v2.data.errors import DataError
from verify.traffic import records as reading
from verify.traffic.records import record_chunks
from verify.traffic.responses import Responses

RECORDS = [bytes([i % 251]) * (i % 90) + b"\0" for i in range(1234)]


@pytest.mark.parametrize("suffix", [".lzo", ".gz", ".block", ".lzo_deflate"])
@pytest.mark.parametrize("piece", [1, 1000, 8 << 20])
def test_pieces_join_to_the_file(tmp_path, monkeypatch, suffix, piece):
    monkeypatch.setattr(reading, "_PIECE", piece)
    path = tmp_path / f"requests{suffix}"
    write_records(path, RECORDS)
    chunks = [list(chunk) for chunk in record_chunks(path, 100)]
    assert [record for chunk in chunks for record in chunk] == RECORDS
    assert max(map(len, chunks)) <= 100


@pytest.mark.parametrize("suffix", [".lzo", ".gz", ".block"])
@pytest.mark.parametrize("cut", [7, 1000, -3])
def test_damaged_files_are_named(tmp_path, suffix, cut):
    path = tmp_path / f"requests{suffix}"
    write_records(path, RECORDS)
    path.write_bytes(path.read_bytes()[:cut])
    if suffix == ".block" and cut == 7:  # ends inside the first marker, as a whole read has it
        assert list(record_chunks(path)) == [] or not len(next(record_chunks(path)))
        return
    with pytest.raises(DataError, match="requests"):
        list(record_chunks(path))


def test_an_empty_file_has_no_records(tmp_path):
    path = tmp_path / "requests.block"
    path.write_bytes(b"")
    assert sum(len(chunk) for chunk in record_chunks(path)) == 0


def test_a_damaged_gzip_member(tmp_path):
    path = tmp_path / "requests.gz"
    content = bytearray(gzip.compress(b"x" * 5000))
    content[-6] ^= 255
    path.write_bytes(content)
    with pytest.raises((DataError, OSError)):
        list(record_chunks(path))


def test_the_flights_requests_are_what_a_whole_read_gives(flights):
    pieces = [record for chunk in record_chunks(flights.requests, 999) for record in chunk]
    assert pieces == list(read_records(flights.requests))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=9))
def test_answers_do_not_depend_on_how_they_are_taken(tmp_path_factory, sizes):
    path = tmp_path_factory.mktemp("answers") / "v1.lzo"
    score = np.random.default_rng(0).random(1000)
    write_records(path, encode_predictions({feature_id("score"): score}))
    answers = Responses(path, ("score", "absent"))
    assert answers.present == ("score",)
    taken = [answers.take(size) for size in sizes]
    left = answers.remaining()
    got = np.concatenate([part.columns.get("score", np.zeros(0)) for part in taken])
    np.testing.assert_array_equal(got, score[: len(got)])
    assert len(got) + left == 1000
    assert answers.take(5).rows == 0
