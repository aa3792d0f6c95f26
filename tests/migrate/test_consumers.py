import numpy as np
import pytest

from migrate.graph import GraphError, build
from migrate.inputs import Dense, Sparse, plan
from torch_objects import linear, module

RNG = np.random.default_rng(0)
PAIRS = [np.ones((2, 2)), np.ones((1, 2))]
DENSE = np.ones((2, 3))


def sparse():
    return linear(RNG, 9, 2, "nn.SparseLinear", doGradInput=False)


def sequential(*children):
    return module("nn.Sequential", *children)


IDENTITY = "nn.Identity"
WIDE_AND_DEEP = sequential(
    module(
        "nn.ConcatTable",
        sequential(module("nn.SelectTable", index=1), sparse()),
        sequential(module("nn.SelectTable", index=-1), linear(RNG, 3, 2)),
    ),
    module("nn.CAddTable"),
)
S, D = Sparse(9, "float64"), Dense((2, 3), "float64")


@pytest.mark.parametrize(
    ("root", "example", "expected"),
    [
        (sparse(), PAIRS, S),
        (sequential(module(IDENTITY), sequential(module(IDENTITY), sparse())), PAIRS, S),
        (module("nn.ParallelTable", sparse(), linear(RNG, 3, 2)), [PAIRS, DENSE], [S, D]),
        (module("nn.Concat", sparse(), sparse(), dimension=2), PAIRS, S),
        (WIDE_AND_DEEP, [PAIRS, DENSE], [S, D]),
        (
            sequential(
                module("nn.ParallelTable", module(IDENTITY), module(IDENTITY)),
                module("nn.ParallelTable", linear(RNG, 3, 2), sparse()),
            ),
            [DENSE, PAIRS],
            [D, S],
        ),
        (
            sequential(
                module("nn.NarrowTable", offset=2, length=1),
                module("nn.ParallelTable", sparse()),
            ),
            [DENSE, PAIRS],
            [D, S],
        ),
        (module("nn.MapTable", sparse()), [PAIRS, PAIRS, PAIRS], [S, S, S]),
        (module("nn.JoinTable", dimension=1), [DENSE, DENSE], [D, D]),
    ],
)
def test_each_part_of_the_input_has_the_form_that_its_module_takes(root, example, expected):
    assert plan(build(root), example, "float64") == expected


def test_without_an_example_the_modules_say_what_they_can():
    table = module("nn.ParallelTable", sparse(), linear(RNG, 3, 2))
    assert plan(build(table), None, "float64") == [S, Dense((None, 3), "float64")]
    with pytest.raises(GraphError, match="give an example input"):
        plan(build(module("nn.Tanh")))
    with pytest.raises(GraphError, match="example input"):
        plan(build(sequential(module("nn.SelectTable", index=-1), sparse())))
