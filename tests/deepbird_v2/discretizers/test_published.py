"""The published runtime's discretizers: every recorded answer, in NumPy and as a layer."""

import numpy as np
import pytest

from deepbird_v2.discretizers import published
from deepbird_v2.discretizers.errors import StateError
from vectors import GOLDEN, cases


def percentile(v):
    return published.percentile(
        v["feature_ids"], v["bin_vals"], int(v["output_bits"]), v["bin_ids"]
    )


def hashing(v):
    return published.hashing(
        v["feature_ids"], v["bin_vals"], int(v["output_bits"]), int(v["options"])
    )


VECTORS = {
    f"{make.__name__} {name}": (make, vector)
    for make in (percentile, hashing)
    for name, vector in cases(f"{make.__name__}_discretizer_infer.npz").items()
}


@pytest.mark.parametrize(("make", "vector"), VECTORS.values(), ids=VECTORS)
def test_gives_the_published_runtimes_ids(make, vector):
    state = make(vector)
    keys, values = state.apply(vector["in_ids"], vector["in_vals"])
    np.testing.assert_array_equal(keys, vector["out_keys"])
    np.testing.assert_array_equal(values, vector["out_vals"].astype(np.float32))


@pytest.mark.parametrize(("make", "vector"), VECTORS.values(), ids=VECTORS)
def test_the_layer_gives_the_same(make, vector):
    import tensorflow as tf

    from deepbird_v2.layers.discretizer import Discretizer

    splits = np.array([0, 3, 3, len(vector["in_ids"])])
    ragged = [tf.RaggedTensor.from_row_splits(vector[n], splits) for n in ("in_ids", "in_vals")]
    out = Discretizer.from_state(make(vector))(*ragged)
    np.testing.assert_array_equal(out.indices[:, 1], vector["out_keys"])
    np.testing.assert_array_equal(out.values, vector["out_vals"].astype(np.float32))


def test_what_was_called_mdl_gives_its_ids_and_local_bins():
    with np.load(GOLDEN / "v2_runtime" / "mdl_infer.npz") as data:
        v = dict(data)
    features = np.arange(len(v["feature_offsets"]))
    state = published.mdl(features, v["bin_vals"], 12, v["bin_ids"])
    ids, values = state.apply(v["keys"], v["vals"])
    np.testing.assert_array_equal(ids, v["out_keys_0"])
    np.testing.assert_array_equal(values, v["out_vals_0"])
    rows, _ = state.table.rows(v["keys"])
    np.testing.assert_array_equal(state.table.bin_of(rows, v["vals"]), v["out_keys_1"])


def test_collisions_of_the_published_layouts_are_told():
    edges = np.tile(np.arange(9.0), (40, 1))
    assert published.percentile(np.arange(40), edges, 12).collisions()
    assert any("belongs to" in c for c in published.hashing(np.arange(40), edges, 6).collisions())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: published.percentile([1], [[0.0, 1.0]], 1), "leave no ids"),
        (lambda: published.percentile([1, 2], [[0.0, 1.0]], 8), "expected feature_ids"),
        (lambda: published.percentile([1], [[1.0, 0.0]], 8), "feature 1: .*not ascending"),
        (lambda: published.hashing([1], [[0.0, 1.0]], 33), "32-bit hash"),
    ],
)
def test_refuses_what_makes_no_sense(call, message):
    with pytest.raises(StateError, match=message):
        call()


def by_bisection(edges, value):
    """The published percentile search, as its loop goes."""
    n = len(edges)
    if not value > edges[0]:
        return 0
    if value >= edges[-1]:
        return n - 1
    low, high = 0, n - 1
    while True:
        middle = (low + high) // 2
        if middle < n - 1 and edges[middle] <= value <= edges[middle + 1]:
            return middle
        low, high = (middle, high) if value > edges[middle] else (low, middle)


def by_counting(edges, value, options):
    """The published hashing search: upper bound for 2, else lower bound."""
    if np.isnan(value):
        return len(edges) if options & 3 == 2 else 0
    return int((edges <= value).sum() if options & 3 == 2 else (edges < value).sum())


def hashed(feature, index, bits, wide):
    factor, n = (14695981039346656039, 64) if wide else (2654435761, 32)
    return (((feature % 2**64) * factor + index) * factor % 2**64 >> (n - bits)) & (2**bits - 1)


def layouts(rng):
    """Random parameters: edges with ties and infinities, negative ids, every option."""
    features, n = int(rng.integers(1, 5)), int(rng.integers(2, 66))
    kind = (np.float32, np.float64)[rng.integers(2)]
    edges = (
        rng.normal(size=(features, n)),
        rng.integers(-3, 4, (features, n)),
        rng.choice([-np.inf, np.inf, 0.0, -0.0, 5e-324, 1e-45, 1.0, 3.4e38], (features, n)),
    )[rng.integers(3)]
    ids = rng.choice([-1, 0, 5, -(2**63), 2**63 - 1, *rng.integers(-(2**63), 2**63, 9)], 9, False)
    return ids[:features], np.sort(edges.astype(kind), axis=1), int(rng.integers(1, 31))


@pytest.mark.parametrize("seed", range(40))
def test_random_layouts_follow_the_published_formulas(seed):
    rng = np.random.default_rng(seed)
    ids, edges, bits = layouts(rng)
    options, bins, width = int(rng.integers(32)), edges.size, 1 << bits
    up, down = (np.nextafter(edges, edges.dtype.type(s * np.inf)) for s in (1, -1))
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 2.0**53], edges.dtype)
    values = np.concatenate([edges.ravel(), up.ravel(), down.ravel(), special])
    keys = rng.choice([*ids, -2, 7, *rng.integers(-(2**63), 2**63, 4)], len(values))
    row = {int(f): i for i, f in enumerate(ids)}

    def expected(of_known, of_other):
        return [
            of_known(int(k), row[int(k)], v) if int(k) in row else of_other(int(k))
            for k, v in zip(keys, values, strict=True)
        ]

    def check(state, of_known, of_other, kept):
        ids_out, values_out = state.apply(keys, values, keep_inputs=True)
        assert ids_out.tolist() == expected(of_known, of_other) + [kept(int(k)) for k in keys]
        known = np.array([int(k) in row for k in keys])
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float32)
        ones = np.where(known, np.float32(1), narrow)
        np.testing.assert_array_equal(values_out, np.concatenate([ones, narrow]))

    check(
        published.hashing(ids, edges, bits, options),
        lambda k, i, v: hashed(k, by_counting(edges[i], v, options), bits, options >> 2 & 7 == 1),
        lambda k: k & (width - 1),
        lambda k: k % width,
    )
    check(
        published.hashed_percentile(ids, edges, bits),
        lambda k, i, v: hashed(k, by_bisection(edges[i], v), bits, True),
        lambda k: k & (width - 1),
        lambda k: k % width,
    )
    if bins >= width:
        with pytest.raises(StateError, match="leave no ids"):
            published.percentile(ids, edges, bits)
        return

    def in_order(_, i, v):
        return 1 + i * edges.shape[1] + by_bisection(edges[i], v)

    def floor(k):
        return k % (width - bins) + bins

    check(
        published.percentile(ids, edges, bits),
        in_order,
        lambda k: (k % 2**64) % (width - bins) + bins,
        floor,
    )
    check(published.mdl(ids, edges, bits), in_order, floor, floor)


def test_two_bins_of_one_feature_that_share_an_id_are_told():
    state = published.hashing(np.array([3]), np.arange(9.0)[np.newaxis], 2)
    assert sum(state.shared_ids[0].values()) == 10
    assert state.collisions()[0].startswith("id 0 belongs to ")
