"""Serialized DataRecords → ragged columns inside a TensorFlow graph, by its own operations.

For a SavedModel that takes serialized records wherever TensorFlow runs, without an operation of our
own. All records advance together, an element of each a step, so the cost is that of the longest
record; :mod:`deepbird_v2.data.decode` is two orders of magnitude faster and is what everything
else uses.

What it refuses: records with tensors (fields 8 and 9) or unknown fields, and configs whose sparse
continuous keys are names of values alone (``DecodeMode.VALUE_NAME`` needs MurmurHash3).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from deepbird_v2.data import DecodeMode, FeatureConfig
from deepbird_v2.data.errors import DataError

__all__ = ["decode_in_graph"]

_HEADER, _ELEMENT, _INNER = 0, 1, 2  # where in a record the reader stands
_BINARY, _CONTINUOUS, _DISCRETE, _STRING, _SPARSE_BINARY, _SPARSE_CONTINUOUS, _BLOB = range(1, 8)
_WINDOW = 24
_SET, _MAP, _I64, _DOUBLE, _BYTES = 14, 13, 10, 4, 11
# field → (collection, type of key or element, type of value; 0 where there is none)
_TYPES = np.zeros((10, 3), np.int64)
_TYPES[_BINARY] = (_SET, _I64, 0)
_TYPES[_CONTINUOUS] = (_MAP, _I64, _DOUBLE)
_TYPES[_DISCRETE] = (_MAP, _I64, _I64)
_TYPES[_STRING] = (_MAP, _I64, _BYTES)
_TYPES[_SPARSE_BINARY] = (_MAP, _I64, _SET)
_TYPES[_SPARSE_CONTINUOUS] = (_MAP, _I64, _MAP)
_TYPES[_BLOB] = (_MAP, _I64, _BYTES)
_DISCRETE_FACTOR = 2654435761


class _State(NamedTuple):
    """One entry a record."""

    pos: Any  # next byte
    mode: Any
    kind: Any  # field being read
    left: Any  # elements of it still to come
    inner: Any  # elements of the inner collection still to come
    feature: Any  # whose inner collection it is
    done: Any
    bad: Any


class _Entry(NamedTuple):
    """What a step found in each record."""

    emit: Any
    field: Any
    key: Any
    value: Any
    text: Any  # offset of the string to mix into the key; -1 for none
    length: Any


def decode_in_graph(records: Any, config: FeatureConfig) -> dict[str, Any]:
    """Decode serialized DataRecords.

    Args:
        records: string [batch].
        config: what to keep.

    Returns:
        Ragged [batch, None]: ``key`` int64, ``value`` float64, ``field`` int64, in wire order, as
        :func:`deepbird_v2.data.decode.decode_batch` gives them.

    Raises:
        DataError: the config needs what TensorFlow has no operation for.
        tf.errors.InvalidArgumentError: (when run) a record is malformed or holds tensors; names it.
    """
    if config.decode_mode == DecodeMode.VALUE_NAME:
        raise DataError("decode mode VALUE_NAME cannot run inside TensorFlow: it needs MurmurHash3")
    lengths = tf.cast(tf.strings.length(records), tf.int64)
    joined = tf.io.decode_raw(tf.strings.reduce_join(records), tf.uint8)
    data = tf.concat([tf.reshape(joined, [-1]), tf.zeros([_WINDOW], tf.uint8)], 0)
    ends = tf.cumsum(lengths)
    found, state = _run(data, ends - lengths, ends)
    check = tf.debugging.Assert(
        tf.reduce_all(~state.bad),
        ["malformed DataRecord, or one with tensors, at index", tf.where(state.bad)[:1, 0]],
    )
    with tf.control_dependencies([check]):
        return _columns(data, found, config)


def _run(data: Any, starts: Any, ends: Any) -> tuple[_Entry, _State]:
    zero = tf.zeros_like(starts)
    no = tf.zeros_like(starts, tf.bool)
    state = _State(starts, zero, zero, zero, zero, zero, no, no)
    kinds = (tf.bool, tf.int64, tf.int64, tf.float64, tf.int64, tf.int64)
    arrays = tuple(tf.TensorArray(kind, 0, dynamic_size=True) for kind in kinds)

    def more(step: Any, state: _State, arrays: Any) -> Any:
        # one step even for no records: stacking needs to see the arrays' shapes
        return (step == 0) | tf.reduce_any(~(state.done | state.bad))

    def advance(step: Any, state: _State, arrays: Any) -> Any:
        state, entry = _step(data, ends, state)
        return step + 1, state, tuple(a.write(step, e) for a, e in zip(arrays, entry, strict=True))

    _, state, arrays = tf.while_loop(more, advance, (0, state, arrays))
    return _Entry(*(tf.transpose(array.stack()) for array in arrays)), state


def _step(data: Any, ends: Any, s: _State) -> tuple[_State, _Entry]:
    window = tf.gather(data, tf.minimum(s.pos, ends)[:, None] + tf.range(_WINDOW, dtype=tf.int64))
    active = ~(s.done | s.bad)
    header = active & (s.mode == _HEADER)
    element = active & (s.mode == _ELEMENT)
    inner = active & (s.mode == _INNER)
    room = ends - s.pos

    # a field's header: type, id, then the collection's own header
    wire, field = _byte(window, 0), _int(window, 1, tf.int16)
    stop = header & (wire == 0)
    opens = header & (wire != 0)
    known = (field >= _BINARY) & (field <= _BLOB)
    types = tf.gather(tf.constant(_TYPES), tf.where(known, field, 0))
    is_set = wire == _SET
    count = tf.where(is_set, _int(window, 4, tf.int32), _int(window, 5, tf.int32))
    fits = (wire == types[:, 0]) & (_byte(window, 3) == types[:, 1])
    fits &= is_set | (_byte(window, 4) == types[:, 2])
    header_size = tf.where(is_set, tf.constant(8, tf.int64), 9)

    # an element: an id, then what the field holds
    id_ = _int(window, 0, tf.int64)
    size = _int(window, 8, tf.int32)
    kind = s.kind
    has_text = (kind == _STRING) | (kind == _BLOB)
    opens_inner = element & ((kind == _SPARSE_BINARY) | (kind == _SPARSE_CONTINUOUS))
    of_set = kind == _SPARSE_BINARY
    inner_count = tf.where(of_set, _int(window, 9, tf.int32), _int(window, 10, tf.int32))
    inner_fits = (_byte(window, 8) == _BYTES) & (of_set | (_byte(window, 9) == _DOUBLE))
    element_size = tf.gather(tf.constant([0, 8, 16, 16, 12, 13, 14, 12], tf.int64), kind)
    element_size += tf.where(has_text, tf.maximum(size, 0), 0)

    # an inner element: a string, and a number in a map
    text_size = _int(window, 0, tf.int32)
    tail = 4 + tf.maximum(text_size, 0)
    number = _double_at(data, s.pos + tail, ends)
    inner_size = tail + tf.where(kind == _SPARSE_CONTINUOUS, tf.constant(8, tf.int64), 0)

    moved = tf.where(header, tf.where(stop, tf.constant(1, tf.int64), header_size), 0)
    moved += tf.where(element, element_size, 0) + tf.where(inner, inner_size, 0)
    bad = active & (moved > room)
    bad |= opens & ~(known & fits & (count >= 0) & (count <= room))
    bad |= element & has_text & (size < 0)
    bad |= opens_inner & ~(inner_fits & (inner_count >= 0) & (inner_count <= room))
    bad |= inner & (text_size < 0)

    value = tf.where(kind == _CONTINUOUS, _double(window, 8), tf.ones_like(number))
    value = tf.where(inner & (kind == _SPARSE_CONTINUOUS), number, value)
    mixed = tf.bitwise.bitwise_xor(id_, (17 + _int(window, 8, tf.int64)) * _DISCRETE_FACTOR)
    emits = (element & ~opens_inner & (kind != _BLOB)) | inner
    entry = _Entry(
        emit=emits & ~bad & ~tf.math.is_nan(value),
        field=tf.where(inner, s.feature, id_),
        key=tf.where(inner, s.feature, tf.where(kind == _DISCRETE, mixed, id_)),
        value=value,
        text=tf.where(
            inner, s.pos + 4, tf.where(kind == _STRING, s.pos + 12, tf.constant(-1, tf.int64))
        ),
        length=tf.where(inner, text_size, size),
    )

    left = tf.where(opens, count, s.left)
    inner_left = tf.where(opens_inner, inner_count, s.inner - tf.cast(inner, tf.int64))
    finished = (element & ~opens_inner) | ((opens_inner | inner) & (inner_left == 0))
    left -= tf.cast(finished, tf.int64)
    within = (opens_inner | inner) & (inner_left > 0)
    outside = tf.where(left > 0, tf.constant(_ELEMENT, tf.int64), _HEADER)
    mode = tf.where(within, tf.constant(_INNER, tf.int64), outside)
    return _State(
        pos=s.pos + moved,
        mode=mode,
        kind=tf.where(opens, tf.where(known, field, 0), kind),
        left=left,
        inner=inner_left,
        feature=tf.where(opens_inner, id_, s.feature),
        done=s.done | stop,
        bad=s.bad | bad,
    ), entry


def _byte(window: Any, at: int) -> Any:
    return tf.cast(window[:, at], tf.int64)


def _int(window: Any, at: int, kind: Any) -> Any:
    size = kind.size
    return tf.cast(tf.bitcast(tf.reverse(window[:, at : at + size], [1]), kind), tf.int64)


def _double(window: Any, at: int) -> Any:
    return tf.bitcast(tf.reverse(window[:, at : at + 8], [1]), tf.float64)


def _double_at(data: Any, pos: Any, ends: Any) -> Any:
    safe = tf.minimum(pos, ends)[:, None] + tf.range(8, dtype=tf.int64)
    return _double(tf.gather(data, safe), 0)


def _columns(data: Any, found: _Entry, config: FeatureConfig) -> dict[str, Any]:
    kept = tf.constant(np.sort(np.array(config.ids, np.int64)))
    slot = tf.minimum(tf.searchsorted(kept, tf.reshape(found.field, [-1])), len(config.ids) - 1)
    wanted = tf.reshape(tf.gather(kept, slot), tf.shape(found.field)) == found.field
    emit = found.emit & wanted
    field, key, value, text, length = (tf.boolean_mask(column, emit) for column in found[1:])
    with_text = tf.where(text >= 0)[:, 0]
    hashes = _jhash(data, tf.gather(text, with_text), tf.gather(length, with_text))
    mixed = tf.bitwise.bitwise_xor(tf.gather(key, with_text), hashes)
    key = tf.tensor_scatter_nd_update(key, with_text[:, None], mixed)
    counts = tf.reduce_sum(tf.cast(emit, tf.int64), axis=1)
    columns = {"key": key, "value": value, "field": field}
    return {name: tf.RaggedTensor.from_row_lengths(c, counts) for name, c in columns.items()}


def _jhash(data: Any, starts: Any, lengths: Any) -> Any:
    """Java's string hash of byte strings, sign-extended: int64 [n]."""
    positions = tf.ragged.range(starts, starts + lengths)
    index = tf.ragged.range(lengths).flat_values
    powers = tf.math.cumprod(
        tf.fill([tf.reduce_max(tf.concat([lengths, [1]], 0))], 31), exclusive=True
    )
    of_each = tf.gather(lengths, positions.value_rowids()) - 1 - index
    terms = tf.cast(tf.gather(data, positions.flat_values), tf.int32) * tf.gather(powers, of_each)
    sums = tf.math.unsorted_segment_sum(
        terms, positions.value_rowids(), tf.shape(starts, out_type=tf.int64)[0]
    )
    return tf.cast(sums, tf.int64)
