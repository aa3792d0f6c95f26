"""The gate: what it asks, and what it makes of a backend that fails."""

import re

import numpy as np
import pytest

from deepbird_v2.serving.gate import Limit, agree, sample_records, sample_tensors


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((None, 4), [(1, 4), (2, 4), (33, 4), (128, 4)]),
        ((None, None), [(1, 3), (2, 3), (33, 3), (128, 3)]),
        ((5, 4), [(5, 4)] * 4),  # the model takes one size only
        ((None,), [(1,), (2,), (33,), (128,)]),
        ((), [()] * 4),
    ],
)
def test_samples_have_shapes_that_the_model_takes(shape, expected):
    samples = list(sample_tensors({"x": (shape, "float32")}))
    assert [inputs["x"].shape for inputs in samples] == expected
    assert {inputs["x"].dtype for inputs in samples} == {np.dtype("float32")}


@pytest.mark.parametrize("dtype", ["int64", "int32", "float32"])
def test_samples_of_indices_are_in_the_range_and_reach_both_ends(dtype):
    shapes = {"x": ((None, 7), dtype), "y": ((None, 2), "float32")}
    samples = list(sample_tensors(shapes, {"x": (1, 9)}))
    drawn = np.concatenate([inputs["x"].ravel() for inputs in samples])
    assert drawn.dtype == dtype
    assert set(drawn) == set(range(1, 10))
    assert not np.isin(samples[0]["y"], range(10)).any()


class Answering:
    def __init__(self, answer):
        self.answer = answer

    def run(self, inputs):
        return self.answer(inputs["x"])


def raising(x):
    raise RuntimeError("no\nlike this")


HONEST = Answering(lambda x: {"y": x * 2})
TRIALS = {
    "the same": (HONEST, None),
    "other values": (Answering(lambda x: {"y": x * 2.1}), "y differs by"),
    "another name": (Answering(lambda x: {"z": x * 2}), r"outputs \['z'\]"),
    "another type": (Answering(lambda x: {"y": x.astype(float) * 2}), "float64.* instead of"),
    "another shape": (Answering(lambda x: {"y": x[:, :1]}), "instead of float32"),
    "NaN": (Answering(lambda x: {"y": x * np.float32("nan")}), "differs"),
    "an error": (Answering(raising), r"it fails on sample inputs \(RuntimeError: no\)"),
}


@pytest.mark.parametrize(("fast", "problem"), TRIALS.values(), ids=TRIALS)
def test_a_backend_on_trial(fast, problem):
    found = agree(HONEST, fast, sample_tensors({"x": ((None, 2), "float32")}), {"y": Limit()})
    if problem is None:
        assert found.problem is None
        assert found.worst == {"y": 0.0}
    else:
        assert re.search(problem, found.problem)


def rounding(step, off=0.0):
    """Answers of about 1 whose last digits depend on the row's place in the batch."""
    places = np.arange(128)[:, None] % 2
    return Answering(lambda x: {"y": (1 + off + places[: len(x)] * step).astype("f")})


@pytest.mark.parametrize(
    ("model", "fast", "accepted"),
    [
        (rounding(4e-6), rounding(0.0), True),
        (rounding(4e-6), rounding(0.0, off=-4e-5), False),
        (rounding(0.0), rounding(4e-5), False),
        # rows that depend on one another are no rounding
        (rounding(1.0), rounding(0.0), False),
    ],
)
def test_a_backend_may_round_as_the_model_does_itself(model, fast, accepted):
    samples = sample_tensors({"x": ((None, 2), "float32")})
    found = agree(model, fast, samples, {"y": Limit(1e-6, 0.0)})
    assert (found.problem is None) == accepted


def test_rows_of_records_are_asked_alone():
    alone = []

    def answer(inputs):
        if len(inputs["row_splits"]) == 2:
            alone.append(inputs["key"].size)
        sums = np.add.reduceat(np.append(inputs["value"], 0.0), inputs["row_splits"][:-1])
        return {"y": sums.astype("f")}

    class Records:
        def __init__(self, wrong):
            self.wrong = wrong

        def run(self, inputs):
            return {name: y + np.float32(self.wrong) for name, y in answer(inputs).items()}

    batches = list(sample_records([], []))
    assert agree(Records(0.0), Records(0.1), iter(batches), {"y": Limit()}).problem
    lengths = [np.diff(inputs["row_splits"]) for inputs in batches]
    assert alone[2:] == np.concatenate(lengths).tolist()  # after both answered the batch of one


def test_a_model_that_takes_no_samples_proves_nothing():
    samples = sample_tensors({"x": ((None, 2), "float32")})
    found = agree(Answering(raising), HONEST, samples, {"y": Limit()})
    assert found.problem == "the model takes no sample inputs (RuntimeError: no)"
