"""Converted modules against the oracle: outputs, gradients, other batch sizes."""

import numpy as np
import pytest

from migrate.converter import convert
from module_cases import CASES, made, pairs, w, x
from torch_objects import module
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


def convolution(inputs, outputs):
    """A 1×1 convolution: after it images have their channels last."""
    fields = {"kW": 1, "kH": 1, "dW": 1, "dH": 1, "padW": 0, "padH": 0}
    return made(
        "SpatialConvolution",
        weight=x(outputs, inputs, 1, 1),
        bias=x(outputs),
        nInputPlane=inputs,
        nOutputPlane=outputs,
        **fields,
    )


# What looks at the layout of its input, or must have Torch's, between two convolutions.
BETWEEN = {
    "Tanh": (made("Tanh"), 4),
    "PReLU": (made("PReLU", nOutputPlane=4, weight=w(4)), 4),
    "PReLU_shared": (made("PReLU", nOutputPlane=0, weight=w(1)), 4),
    "SoftMax": (made("SpatialSoftMax"), 4),
    "LogSoftMax": (made("LogSoftMax"), 4),
    "CReLU": (made("CReLU", nInputDims=3), 8),
    "GatedLinearUnit": (made("GatedLinearUnit", dim=2), 2),
    "GatedLinearUnit_last": (made("GatedLinearUnit"), 4),
    "CMul": (made("CMul", weight=w(1, 4, 1, 1)), 4),
    "CMul_sample": (made("CMul", weight=w(4, 3, 6)), 4),
    "CAdd": (made("CAdd", bias=w(1, 4, 3, 1)), 4),
    "Add": (made("Add", bias=w(72)), 4),
    "Mul": (made("Mul", weight=w(1)), 4),
    "MulConstant": (made("MulConstant", constant_scalar=-2), 4),
    "Narrow": (made("Narrow", dimension=2, index=2, length=2), 2),
    "Narrow_width": (made("Narrow", dimension=4, index=2, length=3), 4),
    "Padding": (made("Padding", dim=1, pad=2, nInputDim=3, value=3), 6),
    "Padding_inside": (made("Padding", dim=2, pad=2, index=2, nInputDim=3), 4),
    "Concat": (made("Concat", made("Tanh"), made("Square"), dimension=2), 8),
    "Concat_mixed": (made("Concat", made("Tanh"), made("Identity"), dimension=3), 4),
    "ConcatTable_JoinTable": (
        made(
            "Sequential",
            made("ConcatTable", made("Tanh"), made("Identity")),
            made("JoinTable", dimension=1, nInputDims=3),
        ),
        8,
    ),
    "residual": (
        made(
            "Sequential",
            made("ConcatTable", made("Tanh"), made("Identity")),
            made("CAddTable"),
        ),
        4,
    ),
    "Sum_kept": (made("Sum", dimension=3, squeeze=False), 4),
    "Max_kept_apart": (
        made("Sequential", made("Max", dimension=3), made("Unsqueeze", pos=3)),
        4,
    ),
    "Mean_Select": (
        made(
            "Sequential",
            made("ConcatTable", made("Mean", dimension=4), made("Select", dimension=4, index=-2)),
            made("CAddTable"),
            made("Unsqueeze", pos=4),
        ),
        4,
    ),
    "Select_channel": (
        made("Sequential", made("Select", dimension=2, index=3), made("Unsqueeze", pos=2)),
        1,
    ),
    "Transpose": (made("Transpose", permutations=pairs((3, 4))), 4),
    "DontCast": (made("DontCast", made("Tanh"), castin=True), 4),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_layouts_between_convolutions(name):
    module, channels = BETWEEN[name]
    model = made("Sequential", convolution(2, 4), module, convolution(channels, 3))
    inputs = x(2, 2, 3, 6)
    converted = convert(model, inputs)
    expected = oracle.forward(model, inputs)
    same("output", expected, converted(inputs))
    grads = oracle.backward(model, inputs, expected, training=False)
    same("gradients", list(grads), list(converted.gradients(inputs, expected, training=False)))


def test_a_module_that_is_not_cast_computes_in_its_own_type():
    double = made("Exp")
    model = module("nn.DontCast", double, castin=True, _type="torch.FloatTensor")
    inputs = np.array([[-1e-9, 30.0]], np.float32)
    got, expected = convert(model, inputs)(inputs), oracle.forward(model, inputs)
    assert got.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(got, np.exp(inputs.astype(np.float64)).astype(np.float32))
    grads = oracle.backward(model, inputs, expected)[0]
    np.testing.assert_array_equal(grads, convert(model, inputs).gradients(inputs, expected)[0])
