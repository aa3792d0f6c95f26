"""One answer everywhere: the rule by hand, NumPy, the compiled core, the layer, a SavedModel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.discretizers.native import core
from deepbird_v2.discretizers.order import from_key, order_key
from deepbird_v2.discretizers.search import Search, bisect
from deepbird_v2.discretizers.state import Bins, Discretizer, Unknown, UnknownRule

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-310, 1.8e308, 1e39, 1e-46]
NUMBERS = st.one_of(st.sampled_from(SPECIAL), st.integers(-3, 3).map(float), st.floats())
EDGES = st.lists(NUMBERS.filter(lambda v: v == v), min_size=1, max_size=9).map(sorted)


def by_hand(edges, search, nan_bin, float32, value):
    """The rule as the table in deepbird_v2.discretizers.search words it, for one value."""
    with np.errstate(over="ignore"):
        value = np.float64(np.float32(value)) if float32 else np.float64(value)
    bins = len(edges) + (search is not Search.BISECTION)
    if np.isnan(value):
        return bins if nan_bin else (bins - 1 if search is Search.LEFT_CLOSED else 0)
    if search is Search.BISECTION:
        return bisect(edges, value)
    if search is Search.LEFT_CLOSED:
        return int((edges <= value).sum())
    return int((edges < value).sum())


def state_of(edges, search=Search.LEFT_CLOSED, nan_bin=True, float32=False, feature=7):
    if float32:
        with np.errstate(over="ignore"):
            edges = np.float32(edges).astype(float)
    edges = np.array(edges)
    n = search.bins(len(edges)) + nan_bin
    bins = Bins(feature, edges, np.arange(n))
    return Discretizer((bins,), 7, Unknown(UnknownRule.MODULO, 64, 128), search, nan_bin, float32)


def around(edges):
    """Edges with their neighbours in float64 and float32."""
    edges = np.array(edges)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = edges.astype(np.float32)
        near = [edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), narrow]
        near += [np.nextafter(narrow, np.float32(s * np.inf)) for s in (-1, 1)]
        middles = [(n.astype(float) + narrow) / 2 for n in near[-2:]]
    return np.concatenate([*(n.astype(float) for n in near + middles), SPECIAL])


@settings(max_examples=150, deadline=None)
@given(EDGES, st.sampled_from(Search), st.booleans(), st.booleans(), st.lists(NUMBERS, max_size=8))
def test_the_table_is_the_rule(edges, search, nan_bin, float32, values):
    state = state_of(edges, search, nan_bin, float32)
    values = np.concatenate([around(edges), values])
    ids, kept = state.apply(np.full(len(values), 7), values)
    edges = state.features[0].edges
    assert ids.tolist() == [by_hand(edges, search, nan_bin, float32, v) for v in values]
    assert (kept == 1).all()
    assert state.normalized().apply(np.full(len(values), 7), values)[0].tolist() == ids.tolist()


@given(st.lists(st.floats(allow_nan=False), min_size=2))
def test_keys_have_the_order_of_floats(values):
    values = np.array(values)
    key = order_key(values)
    np.testing.assert_array_equal(values[:, None] < values, key[:, None] < key)
    np.testing.assert_array_equal(from_key(key), values)
    inner = values[np.abs(values) < np.finfo(float).max]
    np.testing.assert_array_equal(order_key(np.nextafter(inner, np.inf)), order_key(inner) + 1)


@given(EDGES, st.sampled_from(Search), st.booleans(), st.booleans(), st.sampled_from(UnknownRule))
def test_the_compiled_core_gives_numpys_ids(edges, search, nan_bin, float32, rule):
    if core() is None:
        pytest.skip("core not built")
    state = state_of(edges, search, nan_bin, float32)
    first = 0 if rule is UnknownRule.MASK else 64
    state = state.replace(unknown=Unknown(rule, first, 128))
    values = np.tile(around(edges), 3)
    keys = np.array([7, -1, 2**62 + 5, -(2**63)])[np.arange(len(values)) % 4]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPBIRD_NATIVE", "0")
        expected = state.apply(keys, values)
    for mine, theirs in zip(state.apply(keys, values), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


EVERY = [
    state_of([-np.inf, -1.0, 0.0, 0.0, 1e-310, 1.0], search, nan_bin, float32)
    for search in Search
    for nan_bin in (False, True)
    for float32 in (False, True)
] + [
    Discretizer((), 7, Unknown(rule, first, 128))
    for rule, first in zip(UnknownRule, (64, 64, 0), strict=True)
]


def traffic(state, dtype):
    with np.errstate(over="ignore", invalid="ignore"):
        values = around([b for f in state.features for b in f.edges] or [0.0]).astype(dtype)
    keys = np.where(np.arange(len(values)) % 4, 7, np.arange(len(values)) - 2**62)
    return keys, values


def check(run, state, dtype):
    import tensorflow as tf

    keys, values = traffic(state, dtype)
    splits = np.array([0, 2, 2, len(keys)])
    out = run(*(tf.RaggedTensor.from_row_splits(column, splits) for column in (keys, values)))
    expected, kept = state.apply(keys, values)
    np.testing.assert_array_equal(out.indices[:, 1], expected)
    # Kernels flush values that are denormal in float32; ids never depend on that.
    np.testing.assert_allclose(out.values, kept, rtol=0, atol=1.2e-38)
    assert out.dense_shape.numpy().tolist() == [3, 128]


@pytest.mark.parametrize("state", EVERY)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_layer_gives_numpys_ids(state, dtype):
    from deepbird_v2.layers.discretizer import Discretizer as Layer

    check(Layer.from_state(state), state, dtype)


@pytest.mark.parametrize(("state", "dtype"), [(EVERY[0], "float32"), (EVERY[8], "float64")])
def test_a_savedmodel_gives_numpys_ids(state, dtype, tmp_path):
    import keras
    import tensorflow as tf

    from deepbird_v2.export import load_keras
    from deepbird_v2.layers.discretizer import Discretizer as Layer

    inputs = [
        keras.Input((None,), dtype=kind, ragged=True, name=name)
        for name, kind in (("key", "int64"), ("value", dtype))
    ]
    model = keras.Model(inputs, Layer.from_state(state)(*inputs))
    model.save(tmp_path / "m.keras")
    loaded = load_keras(tmp_path / "m.keras")
    check(lambda *columns: loaded(list(columns)), state, dtype)

    module = tf.Module()
    # Not the model itself: Keras would trace it with dense inputs in place of ragged ones.
    module.weights = [variable.value for variable in model.variables]
    specs = [tf.RaggedTensorSpec((None, None), t, 1) for t in ("int64", dtype)]
    module.run = tf.function(lambda key, value: model([key, value]), input_signature=specs)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    restored = tf.saved_model.load(str(tmp_path / "saved"))
    check(restored.run, state, dtype)


@pytest.mark.parametrize("state", [EVERY[0], EVERY[-1]])
def test_inputs_can_be_kept_beside_the_bins(state):
    import tensorflow as tf

    from deepbird_v2.layers.discretizer import Discretizer as Layer

    keys, values = np.array([7, -5, 2**62]), np.array([0.5, 2.0, 3.0])
    ids, kept = state.apply(keys, values, keep_inputs=True)
    alone, ones = state.apply(keys, values)
    room, first = state.unknown.room, state.unknown.first
    assert ids.tolist() == [*alone.tolist(), *(int(k) % room + first for k in keys)]
    assert kept.tolist() == [*ones.tolist(), *values.tolist()]
    layer = Layer.from_state(state, keep_inputs=True)
    assert layer.get_config()["keep_inputs"]
    out = layer(*(tf.RaggedTensor.from_row_splits(c, [0, 1, 3]) for c in (keys, values)))
    np.testing.assert_array_equal(out.indices[:, 1], ids)
    np.testing.assert_array_equal(out.indices[:, 0], [0, 1, 1, 0, 1, 1])
    np.testing.assert_array_equal(out.values, kept)
