"""DataRecords decoded inside a TensorFlow graph: the same columns as the ordinary decoder."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.data import (
    DataError,
    DecodeError,
    DecodeMode,
    Feature,
    FeatureConfig,
    decode_batch,
    read_records,
)
from deepbird_v2.data.graph_decode import decode_in_graph
from deepbird_v2.data.record import DataRecord, encode_record

IDS = (1, -2, 3, 2**62, 5, 6, 7)
CONFIG = FeatureConfig(tuple(Feature(i) for i in IDS if i != 7))
RUN = tf.function(
    lambda records: decode_in_graph(records, CONFIG),
    input_signature=[tf.TensorSpec([None], tf.string)],
)


def assert_same(got, batch):
    np.testing.assert_array_equal(got["key"].row_splits, batch.row_splits)
    for name in ("key", "value", "field"):
        np.testing.assert_array_equal(got[name].flat_values, getattr(batch, name))


def some(value):
    return st.dictionaries(st.sampled_from(IDS), value, max_size=3)


ints = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=6)
records = st.builds(
    DataRecord,
    binary=st.frozensets(st.sampled_from(IDS), max_size=3),
    continuous=some(st.floats()),
    discrete=some(ints),
    string=some(texts.map(str.encode)),
    sparse_binary=some(st.frozensets(texts.map(str.encode), max_size=3)),
    sparse_continuous=some(st.dictionaries(texts.map(str.encode), st.floats(), max_size=3)),
    blob=some(st.binary(max_size=5)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(records, max_size=4))
def test_any_records(batch):
    encoded = [encode_record(record) for record in batch]
    assert_same(RUN(tf.constant(encoded, tf.string)), decode_batch(encoded, CONFIG))


def test_real_traffic(golden):
    from migrate.records import find_features

    flights = golden / "flights"
    config = find_features(flights / "flights_split.yaml")
    encoded = list(read_records(flights / "requests.lzo"))
    got = tf.function(lambda r: decode_in_graph(r, config))(tf.constant(encoded))
    assert_same(got, decode_batch(encoded, config))


SAMPLE = encode_record(
    DataRecord(
        binary={1},
        continuous={3: 0.5},
        discrete={5: 9},
        string={6: b"abc"},
        sparse_binary={1: {b"x", b"yy"}},
        sparse_continuous={3: {b"z": 1.5}},
        blob={7: b"q"},
    )
)


@pytest.mark.parametrize("size", range(len(SAMPLE)))
def test_truncation_is_an_error_that_names_the_record(size):
    with pytest.raises(DecodeError):
        decode_batch([SAMPLE[:size]], CONFIG)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"malformed DataRecord.*\[1\]"):
        RUN(tf.constant([SAMPLE, SAMPLE[:size]]))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_a_flipped_byte_gives_the_same_columns_or_an_error(at, byte):
    changed = SAMPLE[:at] + bytes([byte]) + SAMPLE[at + 1 :]
    try:
        expected = decode_batch([changed], CONFIG)
    except DecodeError:
        with pytest.raises(tf.errors.InvalidArgumentError):
            RUN(tf.constant([changed]))
    else:
        assert_same(RUN(tf.constant([changed])), expected)


def test_value_names_as_keys_cannot_run_in_a_graph():
    with pytest.raises(DataError, match="MurmurHash3"):
        decode_in_graph(tf.constant([b"\0"]), CONFIG.replace(decode_mode=DecodeMode.VALUE_NAME))
