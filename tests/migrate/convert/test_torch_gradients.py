"""Where Torch's gradient is not the mathematical one, or there is none: model and oracle agree."""

import numpy as np
import pytest

from migrate.converter import convert
from module_cases import made
from verify import oracle

ZEROS = np.array([[-1.0, 0.0, 2.0]])
TIED = np.array([[3.0, 1.0], [3.0, 1.0], [0.0, 1.0]])
ONES = np.ones_like(TIED)

# name → (module, inputs, gradient of the output, gradient of the inputs as Torch has it)
CASES = {
    "ReLU at 0": (made("ReLU"), ZEROS, ZEROS + 5, [[0, 0, 7]]),
    "ReLU6 on its bounds": (made("ReLU6"), [[0.0, 6.0, 3.0]], [[1.0, 1, 1]], [[0, 0, 1]]),
    "HardTanh on its bounds": (
        made("HardTanh", min_val=-1, max_val=2), ZEROS, ZEROS + 5, [[0, 5, 0]],
    ),
    "Threshold at the threshold": (
        made("Threshold", threshold=0, val=-9), ZEROS, ZEROS + 5, [[0, 0, 7]],
    ),
    "LeakyReLU at 0": (made("LeakyReLU", negval=0.5), ZEROS, ZEROS + 5, [[2, 2.5, 7]]),
    "PReLU at 0": (
        made("PReLU", nOutputPlane=0, weight=np.array([0.5])), ZEROS, ZEROS + 5, [[2, 2.5, 7]],
    ),
    "ELU at 0": (made("ELU", alpha=2), [[0.0, 1.0]], [[3.0, 3.0]], [[6, 3]]),
    "Abs at 0": (made("Abs"), ZEROS, ZEROS + 5, [[-4, 5, 7]]),
    "Sqrt at 0": (made("Sqrt"), [[0.0, 4.0]], [[3.0, 4.0]], [[0, 1]]),
    "Max of equals": (
        made("Max", dimension=1), TIED, np.array([7.0, 9.0]), [[7, 9], [0, 0], [0, 0]],
    ),
    "Min of equals": (
        made("Min", dimension=2), [[1.0, 1.0], [2.0, 0.0]], np.array([7.0, 9.0]), [[7, 0], [0, 9]],
    ),
    "CMaxTable of equals": (
        made("CMaxTable"), [TIED, TIED, TIED], ONES, [ONES, 0 * ONES, 0 * ONES],
    ),
    "CMinTable of equals": (made("CMinTable"), [TIED, TIED], ONES, [ONES, 0 * ONES]),
    "GradientReversal": (
        made("GradientReversal", **{"lambda": 0.5}), ZEROS, ZEROS + 5, [[-2, -2.5, -3.5]],
    ),
    "GradientReversal of old files": (made("GradientReversal"), ZEROS, ZEROS + 5, [[-4, -5, -7]]),
    "ZeroGrad": (made("ZeroGrad"), ZEROS, ZEROS + 5, 0 * ZEROS),
    "L1Penalty": (
        made("L1Penalty", l1weight=0.25, sizeAverage=False, provideOutput=True),
        ZEROS, ZEROS + 5, [[3.75, 5, 7.25]],
    ),
    "L1Penalty averaged, alone": (
        made("L1Penalty", l1weight=0.75, sizeAverage=True, provideOutput=False),
        ZEROS, ZEROS + 5, [[-0.25, 0, 0.25]],
    ),
    "PairwiseDistance of equals": (
        made("PairwiseDistance", norm=2), [ONES, ONES], np.ones(3), [0 * ONES, 0 * ONES],
    ),
    "Euclidean at the vector": (
        made("Euclidean", weight=np.ones((2, 1))), [[1.0, 1.0]], [[5.0]], [[0, 0]],
    ),
    "Cosine of nothing": (
        made("Cosine", weight=np.array([[3.0, 4.0]])), [[0.0, 0.0]], [[1.0]], [[0.6e12, 0.8e12]],
    ),
    "Index twice": (
        made("Index", dimension=1), [TIED, np.array([2, 2, 1])], ONES,
        [[[1, 1], [2, 2], [0, 0]], [0, 0, 0]],
    ),
    "MaskedSelect": (
        made("MaskedSelect"), [TIED, np.array([[0, 1], [0, 0], [2, 0]], np.uint8)],
        np.array([7.0, 9.0]), [[[0, 7], [0, 0], [9, 0]], 0 * ONES],
    ),
    "Constant": (
        made("Constant", value=np.ones(2), nInputDim=1), ZEROS, np.ones((1, 2)), 0 * ZEROS,
    ),
    "SelectTable": (made("SelectTable", index=-1), [TIED, ZEROS], ZEROS, [0 * TIED, ZEROS]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("side", ["oracle", "model"])
def test_gradients(name, side):
    module, inputs, grad_output, expected = CASES[name]
    if isinstance(inputs, list) and not any(isinstance(entry, np.ndarray) for entry in inputs):
        inputs = np.array(inputs)
    grad_output = np.asarray(grad_output)
    if side == "oracle":
        found = oracle.backward(module, inputs, grad_output)[0]
    else:
        found = convert(module, inputs).gradients(inputs, grad_output)[0]
    if isinstance(found, list):
        for f, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-9)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_equal_values_under_norm_1_draw_their_sign_in_the_oracle():
    module = made("PairwiseDistance", norm=1)
    rows = np.zeros((1, 400))
    first, second = oracle.backward(module, [rows, rows], np.ones(1), seed=4)[0]
    assert set(np.unique(first)) == {-1.0, 1.0}
    np.testing.assert_array_equal(second, -first)
    assert abs(first.mean()) < 0.2
    assert not np.any(convert(module, [rows, rows]).gradients([rows, rows], np.ones(1))[0])
