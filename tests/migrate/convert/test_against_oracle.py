"""Converted modules against the oracle: outputs, gradients, other batch sizes."""

import numpy as np
import pytest
from module_cases import CASES

from migrate.converter import convert
from verify import oracle


def same(path, expected, got):
    if isinstance(expected, list):
        assert isinstance(got, list)
        assert len(got) == len(expected)
        for i, (e, g) in enumerate(zip(expected, got, strict=True), 1):
            same(f"{path}[{i}]", e, g)
        return
    assert got.shape == expected.shape, path
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12, err_msg=path)


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_oracle(name):
    module, inputs = CASES[name]
    converted = convert(module, inputs)
    expected = oracle.forward(module, inputs)
    same("output", expected, converted(inputs))
    grads = oracle.backward(module, inputs, expected, training=False)
    found = converted.gradients(inputs, expected, training=False)
    same("gradients", list(grads), list(found))


# The leading dimension of these is a batch, and the model must take any number of rows.
BATCHES = [
    "Sigmoid", "SoftMax_2d", "SoftMax_4d", "PReLU_4d", "GatedLinearUnit", "Add_images",
    "CMul_sample", "CMul_channels", "CAdd_last", "Constant_batch", "View_batch", "View_rest",
    "Reshape_infers_batch", "Reshape_batch", "Collapse_batch", "Squeeze_batch",
    "Squeeze_dim_batch", "Unsqueeze_batch", "Transpose_batch", "Convert_bchw_bhwc", "Select_middle",
    "Replicate_batch", "Padding_start", "Padding_inside", "JoinTable_last", "Sum_end", "Sum_kept",
    "Max_end", "Min_batch", "CosineDistance", "PairwiseDistance_3", "Cosine", "Euclidean",
    "WeightedEuclidean", "MM_both", "MV_batch", "Bilinear", "Concat_joined", "Parallel",
    "Bottle_deep", "Mixture_deep", "Mixture_dim",
]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", BATCHES)
def test_a_model_takes_any_batch(name, rows):
    module, inputs = CASES[name]
    converted = convert(module, inputs)
    assert not converted.report.static_batch

    def resized(value):
        if isinstance(value, list):
            return [resized(entry) for entry in value]
        return np.take(value, np.arange(rows) % len(value), axis=0)

    expected = oracle.forward(module, resized(inputs))
    got = converted(resized(inputs))
    if name.startswith("View") and rows == 1:  # Torch's views drop a batch of one row
        got = got[0] if got.ndim > expected.ndim else got
    same("output", expected, got)
