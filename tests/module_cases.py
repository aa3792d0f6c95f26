"""Modules with inputs of sizes, options and forms, for tests that hold for every module."""

import numpy as np

from migrate.t7.objects import Storage, Table
from torch_objects import module

DOUBLE = "torch.DoubleTensor"


def made(name, *children, **fields):
    return module(f"nn.{name}", *children, _type=DOUBLE, **fields)


def sizes(*numbers):
    return Storage("torch.LongStorage", np.array(numbers, np.int64))


def pairs(*found):
    return Table({i: Table({1: float(a), 2: float(b)}) for i, (a, b) in enumerate(found, 1)})


def x(*shape, seed=0):
    """Normal values, pairwise distinct, none near 0 or a bound of the cases below."""
    values = np.random.default_rng(seed + sum(shape)).standard_normal(shape)
    return values + 0.02 * np.sign(values)


def w(*shape):
    return x(*shape, seed=77)


def linear(inputs, outputs, seed=5):
    return made("Linear", weight=x(outputs, inputs, seed=seed), bias=x(outputs, seed=seed + 1))


SMOOTH = ["Sigmoid", "LogSigmoid", "Tanh", "TanhShrink", "SoftSign", "Exp", "Square", "Abs", "ReLU"]
CHANNELS = ["SoftMax", "SoftMin", "LogSoftMax"]

CASES = {
    **{name: (made(name), x(3, 5)) for name in SMOOTH},
    **{
        f"{name}_{len(s)}d": (made(name), x(*s))
        for name in CHANNELS
        for s in [(4,), (3, 4), (4, 2, 3), (2, 4, 2, 3)]
    },
    "ReLU6": (made("ReLU6"), 4 * x(3, 5)),
    "Threshold": (made("Threshold", threshold=0.3, val=-2), x(2, 3, 4)),
    "HardTanh": (made("HardTanh", min_val=-0.4, max_val=0.7), x(7)),
    "ClippedReLU": (made("ClippedReLU", ceiling=0.8), x(3, 4)),
    "HardShrink": (made("HardShrink", **{"lambda": 0.4}), x(3, 5)),
    "SoftShrink": (made("SoftShrink", **{"lambda": 0.4}), x(3, 5)),
    "LeakyReLU": (made("LeakyReLU", negval=0.3), x(3, 5)),
    "ELU": (made("ELU", alpha=1.7), x(3, 5)),
    "SoftPlus": (made("SoftPlus", beta=3, threshold=2), x(4, 5)),
    "Sqrt": (made("Sqrt"), np.abs(x(3, 4))),
    "Log": (made("Log"), np.abs(x(3, 4))),
    "Power": (made("Power", pow=2.4), np.abs(x(3, 4))),
    "PReLU_3d": (made("PReLU", nOutputPlane=3, weight=w(3)), x(3, 2, 4)),
    "PReLU_4d": (made("PReLU", nOutputPlane=3, weight=w(3)), x(2, 3, 4, 5)),
    "PReLU_shared_4d": (made("PReLU", nOutputPlane=0, weight=w(1)), x(2, 3, 4, 5)),
    "PReLU_one_channel": (made("PReLU", nOutputPlane=1, weight=w(1)), x(4, 1)),
    "CReLU_alone": (made("CReLU", nInputDims=3), x(2, 3, 4)),
    "CReLU_batch": (made("CReLU", nInputDims=1), x(2, 3)),
    "GatedLinearUnit": (made("GatedLinearUnit", dim=2), x(3, 4, 5)),
    "RReLU": (made("RReLU", lower=0.1, upper=0.5), x(3, 4)),
    # arithmetic
    "Add_images": (made("Add", bias=w(12)), x(2, 3, 4)),
    "Add_same": (made("Add", bias=w(5)), x(5)),
    "Add_scalar": (made("Add", bias=w(1), scalar=True), x(2, 3, 4)),
    "Mul": (made("Mul", weight=w(1)), x(2, 3)),
    "CMul_whole": (made("CMul", weight=w(12)), x(3, 4)),
    "CMul_sample": (made("CMul", weight=w(3, 4)), x(2, 3, 4)),
    "CMul_channels": (made("CMul", weight=w(1, 3, 1, 1)), x(2, 3, 4, 5)),
    "CMul_one": (made("CMul", weight=w(1)), x(5)),
    "CAdd_last": (made("CAdd", bias=w(1, 1, 4)), x(2, 3, 4)),
    "CAdd_batch_too": (made("CAdd", bias=w(2, 3)), x(2, 3)),
    "AddConstant": (made("AddConstant", constant_scalar=0.7), x(2, 3)),
    "MulConstant": (made("MulConstant", constant_scalar=-3), x(2, 3)),
    "Constant_batch": (made("Constant", value=w(2, 3), nInputDim=1), x(4, 5)),
    "Constant_alone": (made("Constant", value=w(2, 3), nInputDim=2), x(4, 5)),
    # shapes
    "View_batch": (made("View", size=sizes(3, 4)), x(5, 12)),
    "View_whole": (made("View", size=sizes(3, 4)), x(2, 6)),
    "View_rest": (made("View", size=sizes(2, -1), numInputDims=1), x(5, 12)),
    "Reshape_infers_batch": (made("Reshape", size=sizes(6)), x(4, 2, 3)),
    "Reshape_whole": (made("Reshape", size=sizes(4, 6)), x(4, 2, 3)),
    "Reshape_one_row": (made("Reshape", size=sizes(6)), x(1, 2, 3)),
    "Reshape_batch": (made("Reshape", size=sizes(2, 3), batchMode=True), x(4, 6)),
    "Collapse_alone": (made("Collapse", nInputDim=3), x(2, 3, 4)),
    "Collapse_batch": (made("Collapse", nInputDim=2), x(2, 3, 4)),
    "Squeeze_batch": (made("Squeeze", numInputDims=2), x(3, 1, 4)),
    "Squeeze_all": (made("Squeeze", numInputDims=2), x(3, 1, 1)),
    "Squeeze_one_row": (made("Squeeze", numInputDims=2), x(1, 1, 4)),
    "Squeeze_dim_batch": (made("Squeeze", dim=2, numInputDims=2), x(3, 4, 1)),
    "Squeeze_dim_larger": (made("Squeeze", dim=2), x(3, 4)),
    "Unsqueeze_end": (made("Unsqueeze", pos=3), x(3, 4)),
    "Unsqueeze_batch": (made("Unsqueeze", pos=1, numInputDims=2), x(3, 4, 5)),
    "Transpose_chain": (made("Transpose", permutations=pairs((1, 2), (2, 4))), x(2, 3, 4, 5)),
    "Transpose_batch": (
        made("Transpose", permutations=pairs((1, 2)), numInputDims=2),
        x(2, 3, 4),
    ),
    "Convert_bchw_bhwc": (made("Convert", inputShape="bchw", outputShape="bhwc"), x(2, 3, 4, 5)),
    "Convert_chwb_bf": (made("Convert", inputShape="chwb", outputShape="bf"), x(3, 4, 5, 2)),
    "Convert_alone": (made("Convert", inputShape="bchw", outputShape="bf"), x(3, 4, 5)),
    "Convert_bf_b": (made("Convert", inputShape="bf", outputShape="b"), x(4, 1)),
    "Select_middle": (made("Select", dimension=-2, index=3), x(2, 4, 5)),
    "Narrow_length": (made("Narrow", dimension=-1, index=2, length=-1), x(2, 5)),
    "Narrow_from_end": (made("Narrow", dimension=2, index=-1, length=2), x(2, 5)),
    "Replicate_inside": (made("Replicate", nfeatures=3, dim=2), x(2, 4)),
    "Replicate_batch": (made("Replicate", nfeatures=3, dim=1, ndim=1), x(2, 4)),
    "Padding_start": (made("Padding", dim=1, pad=-2, nInputDim=1, value=1.5), x(3, 4)),
    "Padding_inside": (made("Padding", dim=1, pad=-2, nInputDim=1, index=3), x(3, 4)),
    "Padding_inside_end": (made("Padding", dim=2, pad=3, index=2, nInputDim=2), x(3, 4)),
    # tables
    "CAddTable": (made("CAddTable"), [x(2, 3), x(2, 3, seed=1), x(2, 3, seed=2)]),
    "CMulTable": (made("CMulTable"), [x(2, 3), x(2, 3, seed=1), x(2, 3, seed=2)]),
    "CMulTable_by_position": (made("CMulTable"), [x(2, 3), x(6, seed=1), x(3, 2, seed=2)]),
    "CMinTable_by_position": (made("CMinTable"), [x(2, 3), x(6, seed=1)]),
    "CSubTable": (made("CSubTable"), [x(5), x(5, seed=1)]),
    "CDivTable": (made("CDivTable"), [x(2, 3), x(2, 3, seed=1)]),
    "CMaxTable": (made("CMaxTable"), [x(2, 3), x(2, 3, seed=1), x(2, 3, seed=2)]),
    "CMinTable": (made("CMinTable"), [x(2, 3), x(2, 3, seed=1), x(2, 3, seed=2)]),
    "JoinTable_last": (made("JoinTable", dimension=-1), [x(2, 3, 4), x(2, 3, 2)]),
    "JoinTable_batch": (made("JoinTable", dimension=1, nInputDims=2), [x(2, 3, 4), x(2, 5, 4)]),
    "SplitTable_last": (made("SplitTable", dimension=-1), x(4, 3, 2)),
    "SelectTable_nested": (made("SelectTable", index=-2), [x(2), [x(3), x(2, 3)], x(4)]),
    "NarrowTable": (made("NarrowTable", offset=2, length=2), [x(2), x(3), [x(4), x(2, 2)]]),
    "Mixture_alone": (made("MixtureTable"), [x(2), [x(3), x(3, seed=4)]]),
    "Mixture_deep": (made("MixtureTable"), [x(4, 2), [x(4, 3, 5), x(4, 3, 5, seed=4)]]),
    "Mixture_dim": (made("MixtureTable", dim=3), [x(4, 2), x(4, 5, 2)]),
    "Index_columns": (made("Index", dimension=2), [x(3, 4), np.array([4, 1, 4, 2, 3])]),
    # reductions
    "Sum_end": (made("Sum", dimension=-1), x(2, 3, 4)),
    "Sum_vector": (made("Sum", dimension=1, sizeAverage=True), x(5)),
    "Sum_kept": (made("Sum", dimension=1, nInputDims=2, squeeze=False), x(2, 3, 4)),
    "Mean_old_file": (made("Mean", dimension=2), x(2, 3, 4)),
    "Max_end": (made("Max", dimension=-1), x(2, 3, 4)),
    "Max_vector": (made("Max", dimension=1), x(5)),
    "Min_batch": (made("Min", dimension=1, nInputDims=2), x(2, 3, 4)),
    # similarity
    "CosineDistance": (made("CosineDistance"), [x(3, 4), x(3, 4, seed=1)]),
    "DotProduct_alone": (made("DotProduct"), [x(4), x(4, seed=1)]),
    **{
        f"PairwiseDistance_{p}": (made("PairwiseDistance", norm=p), [x(3, 4), x(3, 4, seed=1)])
        for p in (1, 2, 3, 4.5)
    },
    "Cosine_alone": (made("Cosine", weight=w(3, 4)), x(4)),
    "Cosine": (made("Cosine", weight=w(3, 4)), x(2, 4)),
    "Euclidean_alone": (made("Euclidean", weight=w(4, 3)), x(4)),
    "Euclidean": (made("Euclidean", weight=w(4, 3)), x(5, 4)),
    "WeightedEuclidean": (made("WeightedEuclidean", weight=w(4, 3), diagCov=x(4, 3)), x(2, 4)),
    "MM_both": (made("MM", transA=True, transB=True), [x(2, 3, 4), x(2, 5, 3)]),
    "MM_matrices": (made("MM"), [x(3, 4), x(4, 5)]),
    "MV_batch": (made("MV", trans=True), [x(2, 3, 4), x(2, 3)]),
    "Bilinear": (made("Bilinear", weight=w(3, 4, 2), bias=w(3)), [x(5, 4), x(5, 2)]),
    # containers
    "Concat_first": (made("Concat", linear(4, 3), linear(4, 3, 9), dimension=1), x(2, 4)),
    "Concat_joined": (made("Concat", linear(4, 3), linear(4, 2), dimension=2), x(5, 4)),
    "DepthConcat": (
        made("DepthConcat", linear(4, 3), linear(4, 6, 8), made("Identity"), dimension=1),
        x(2, 4),
    ),
    "Parallel": (
        made("Parallel", linear(4, 3), linear(4, 2), inputDimension=2, outputDimension=2),
        x(5, 2, 4),
    ),
    "Bottle_narrower": (
        made("Bottle", made("Max", dimension=2), nInputDim=2, nOutputDim=1),
        x(4, 5, 3),
    ),
    "Bottle_deep": (made("Bottle", linear(4, 3), nInputDim=2, nOutputDim=2), x(2, 3, 5, 4)),
    "Bottle_plain": (made("Bottle", linear(4, 3), nInputDim=2, nOutputDim=2), x(2, 4)),
    "DataParallelTable": (made("DataParallelTable", linear(4, 3), linear(4, 3)), x(2, 4)),
    "Decorator": (made("Serial", made("GPU", linear(4, 3))), x(2, 4)),
    "MapTable_shared": (made("MapTable", linear(4, 3), shared=True), [x(2, 4), x(3, 4)]),
    "MapTable_apart": (made("MapTable", linear(4, 3), shared=False), [x(2, 4), x(3, 4)]),
    "MapTable_longer_file": (
        made("MapTable", linear(4, 3), linear(4, 2), linear(4, 5), shared=False),
        [x(2, 4), x(3, 4)],
    ),
}  # fmt: skip
