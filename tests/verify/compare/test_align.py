"""Joining by id against a dictionary."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.compare.align import align, join
from verify.predictions import PredictionSet
from verify.verdict import Status

IDS = st.lists(st.integers(0, 12), max_size=12)


@settings(deadline=None)
@given(IDS, IDS, st.sampled_from([int, str, lambda i: str(i).encode()]))
def test_join_is_that_of_a_dictionary(first, second, kind):
    types = {int: pa.int64(), str: pa.large_string()}
    type_ = types.get(kind, pa.large_binary())
    a = align(pa.array([kind(i) for i in first], type_), pa.array([kind(i) for i in second], type_))
    count1, count2 = Counter(first), Counter(second)
    pairs = {
        i: (first.index(i), second.index(i)) for i in count1 if count1[i] == 1 == count2.get(i)
    }
    assert list(zip(a.v1_rows.tolist(), a.v2_rows.tolist(), strict=True)) == sorted(pairs.values())
    assert a.v1_only.tolist() == [row for row, i in enumerate(first) if i not in count2]
    assert a.v2_only.tolist() == [row for row, i in enumerate(second) if i not in count1]
    assert a.v1_repeated.tolist() == [row for row, i in enumerate(first) if count1[i] > 1]
    assert a.v2_repeated.tolist() == [row for row, i in enumerate(second) if count2[i] > 1]
    assert a.complete == (Counter(first) == Counter(second) and max([*count1.values(), 1]) == 1)


def test_integers_and_their_text_are_one_id():
    assert align(pa.array([3, -1]), pa.array(["-1", "3"], pa.large_string())).complete


def sets(ids1, ids2):
    def make(ids):
        rows = ids if isinstance(ids, int) else len(ids)
        return PredictionSet.from_arrays(
            {"s": [0.5] * rows}, ids=None if isinstance(ids, int) else ids
        )

    return make(ids1), make(ids2)


@pytest.mark.parametrize(
    ("first", "second", "status", "words"),
    [
        ([1, 2], [2, 1], Status.PASS, "another order"),
        ([1, 2], [1, 2], Status.PASS, "the same order"),
        ([1, 2], [1, 3], Status.NOT_COMPARABLE, "1 rows of v1 are missing in v2 (id 2)"),
        ([1, 2], [1, 2, 3], Status.NOT_COMPARABLE, "missing in v1 (id 3)"),
        ([1, 2, 2], [1, 2, 2], Status.NOT_COMPARABLE, "share an id"),
        ([1, 2], [1, 2, 2], Status.NOT_COMPARABLE, "v2 share an id"),
        (2, 2, Status.PASS, "by position"),
        (2, 3, Status.NOT_COMPARABLE, "2 of v1 and 3 of v2"),
        ([1, 2], 2, Status.NOT_COMPARABLE, "v2 has no ids"),
        (0, 0, Status.NOT_COMPARABLE, "no rows"),
    ],
)
def test_judgement(first, second, status, words):
    _, check = join(*sets(first, second))
    assert check.status is status
    assert words in check.detail
