"""The state file: canonical, whole, and refused when it is not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.file import dumps, load, loads, save
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.state import Bins, Discretizer, Unknown, UnknownRule

EDGES = st.lists(st.floats(allow_nan=False), min_size=1, max_size=6).map(sorted)


@st.composite
def states(draw):
    search, nan_bin = draw(st.sampled_from(Search)), draw(st.booleans())
    features, next_id = [], 0
    for feature in draw(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=4)):
        edges = draw(EDGES)
        n = search.bins(len(edges)) + nan_bin
        ids = np.arange(next_id, next_id + n)
        next_id += n
        parents = draw(st.lists(st.integers(-1, 50), min_size=n, max_size=n))
        weights = draw(st.sampled_from([[], np.arange(n) / 3]))
        name = draw(st.text('aé\u2028\n"\\\U0001f426', max_size=5))
        features.append(
            Bins(feature, np.array(edges), ids, name, parents, weights, draw(st.booleans()))
        )
    unknown = Unknown(draw(st.sampled_from([UnknownRule.MODULO])), 64, 128)
    parent = draw(st.sampled_from([None, "a" * 64]))
    origin = (
        {"parent": parent, "ancestors": ("b" * 64,) * draw(st.integers(0, 2))} if parent else {}
    )
    return Discretizer(tuple(features), 7, unknown, search, nan_bin, n_bin=5, **origin)


@given(states())
def test_reading_is_the_inverse_of_writing(state):
    again = loads(dumps(state))
    assert dumps(again) == dumps(state)
    assert again.fingerprint == state.fingerprint
    for a, b in zip(again.features, state.features, strict=True):
        assert a.edges.tobytes() == b.edges.tobytes()
        assert (a.feature, a.name, a.retired) == (b.feature, b.name, b.retired)


def good():
    bins = Bins(3, np.array([-np.inf, 0.1]), np.arange(4), "age")
    return Discretizer((bins,), 5, Unknown(UnknownRule.MODULO, 16, 32), n_bin=3, next_id=4)


def test_the_order_of_features_does_not_matter():
    one, other = Bins(3, np.array([1.0]), np.arange(3)), Bins(-4, np.array([1.0]), np.arange(3, 6))
    unknown = Unknown(UnknownRule.MODULO, 16, 32)
    states = [Discretizer(order, 5, unknown) for order in ((one, other), (other, one))]
    assert dumps(states[0]) == dumps(states[1])


@given(st.integers(0, len(dumps(good())) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_changes_nothing(at, flip):
    content = bytearray(dumps(good()))
    content[at] ^= flip
    try:
        state = loads(bytes(content))
    except StateError:
        return
    assert dumps(state) == dumps(good())


def rewritten(**changes):
    return json.dumps(json.loads(dumps(good())) | changes).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.json: not JSON"),
        (b"[1]", "no deepbird-discretizer file"),
        (b'{"format":"deepbird-discretizer","version":2}', "version 2; this release reads"),
        (b'{"format":"deepbird-discretizer","version":1}', "is missing"),
        (rewritten(strange=1), "unknown key 'strange'"),
        (rewritten(output_bits=6), "the file was altered"),
        (rewritten(output_bits=True), "no integer"),
        (rewritten(output_bits=70), "not in 1..62"),
        (rewritten(search="[a,b]"), "search|valid"),
        (rewritten(parent="me"), "no fingerprint"),
        (rewritten(ancestors=["me"]), "no fingerprint"),
        (rewritten(ancestors=[None]), "no fingerprint"),
        (rewritten(ancestors=7), "not iterable"),
        (rewritten(ancestors=["a" * 64]), "ancestors, but no parent"),
        (rewritten(nan_bin=1), "nan_bin must be a bool"),
        (rewritten(unknown={"rule": "modulo", "first": 9, "stop": 9}), "ids 9 to 9"),
        (rewritten(features=[{"id": 3, "edges": [1.0]}]), "feature 3: 'bins' is missing"),
        (rewritten(features=[{"id": 3, "edges": [1, 0], "bins": [0, 1, 2, 3]}]), "not ascending"),
        (rewritten(features=[{"id": 3, "edges": [1], "bins": [0, 1, 99]}]), "outside 5 output"),
        (rewritten(features=[{"id": 3, "edges": ["NaN"], "bins": [0, 1, 2]}]), "no number"),
        (rewritten(features=[{"id": 3, "edges": [1], "bins": [0, 1]}]), "make 3 bins"),
        (rewritten(features=[{"id": 2**63, "edges": [1], "bins": [0, 1, 2]}]), "64-bit id"),
        (rewritten(features=[3]), "expected an object"),
        (dumps(good()).replace(b"0.1", b"NaN"), "x.json: NaN is no number"),
        (dumps(good()).replace(b'"n_bin":3', b'"n_bin":9,"n_bin":3'), "'n_bin' comes twice"),
        (dumps(good()).replace(b'"age"', b'"\\ud800"'), "name '.ud800' is no text"),
        (dumps(good()).replace(b'"age"', b"5"), "feature 3: name must be a str, not 5"),
        (dumps(good()).replace(b"3]}", b'3],"retired":0}'), "retired must be a bool, not 0"),
        (dumps(good()).replace(b"3]}", b'3],"parents":[-1,-1,99,-1]}'), "split from ids -1 to 99"),
        (dumps(good()).decode().encode("utf-16"), "not JSON"),
        (rewritten(version=True), "version True"),
        (rewritten(version=1.0), "version 1.0"),
        (rewritten(next_id=1), "next_id is 1, but bins have ids up to 3"),
        (dumps(good())[:-40], "not JSON"),
    ],
)
def test_refuses_with_one_clear_error(content, message):
    with pytest.raises(StateError, match=message):
        loads(content, "x.json")


def test_files_need_no_tensorflow(tmp_path):
    import subprocess
    import sys

    save(good(), tmp_path / "s.json")
    program = (
        "from deepbird_v2.discretizers import load; import sys; s = load(sys.argv[1]);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules); print(s.fingerprint)"
    )
    out = subprocess.check_output([sys.executable, "-c", program, tmp_path / "s.json"], text=True)
    assert out.strip() == good().fingerprint
    assert load(tmp_path / "s.json").fingerprint == good().fingerprint
    assert [p.name for p in tmp_path.iterdir()] == ["s.json"]
