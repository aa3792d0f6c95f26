"""The module tree: lists of numbers, parameters, and children made as a table runs."""

import numpy as np
import pytest

from migrate.graph import GraphError, build, map_children, parameters
from migrate.t7.objects import Table
from module_cases import linear, made, sizes


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (sizes(2, -1), (2, -1)),
        (Table({1: 3.0, 2: 4.0}), (3, 4)),
        (np.array([2.0, 5.0]), (2, 5)),
        (7, (7,)),
        (None, ()),
    ],
)
def test_lists_of_whole_numbers(value, expected):
    assert build(made("View", size=value)).integers("size") == expected


@pytest.mark.parametrize(
    "value", [np.array([0.5]), Table({1: Table()}), Table({1: "3"}), Table({2: 3.0}), "3"]
)
def test_other_lists_are_refused(value):
    with pytest.raises(GraphError, match="'size' should hold whole numbers"):
        build(made("View", size=value)).integers("size")


def test_parameters_of_a_network_inside_come_first():
    partial = made("PartialLinear", bias=np.zeros((1, 3)), network=linear(2, 3))
    assert [p.path for p in parameters(build(partial))] == [
        "network.Linear.weight",
        "network.Linear.bias",
        "bias",
    ]


@pytest.mark.parametrize("shared", [True, False])
def test_a_map_has_a_child_an_entry(shared):
    module = build(made("MapTable", linear(2, 3), shared=shared))
    children = map_children(module, 3)
    assert children[0] is module.children[0]
    storages = {id(child.tensors["weight"].storage) for child in children}
    assert len(storages) == (1 if shared else 3)
    expanded = {id(module): children}
    assert len(parameters(module, expanded)) == 6
    assert len(parameters(module)) == 2
    for child in children:
        np.testing.assert_array_equal(child.array("weight"), children[0].array("weight"))
