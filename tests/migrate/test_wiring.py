"""Graphs of nngraph, built as its ``gModule`` builds them, in the oracle and as Keras models."""

import numpy as np
import pytest

import migrate
from migrate.graph import GraphError, build
from migrate.inputs import Dense, Sparse
from migrate.t7.objects import Table, TorchObject
from torch_objects import linear, module
from verify import oracle

RNG = np.random.default_rng(7)


class Node:
    """A node under construction; ``takes`` are the nodes whose values it takes."""

    def __init__(self, takes=(), **data):
        self.takes = list(takes)
        self.data = Table(data)

    def split(self, count):
        middle = Node([self], nSplitOutputs=float(count))
        return [Node([middle], selectindex=float(i)) for i in range(1, count + 1)]


def apply(obj, *takes):
    return Node(takes, module=obj)


def gmodule(inputs, outputs, **fields):
    """``nn.gModule(inputs, outputs)``."""
    start, end = Node(), Node(outputs)
    if len(inputs) == 1:
        inputs[0].takes = [start]
    else:
        for node, part in zip(inputs, start.split(len(inputs)), strict=True):
            node.takes = [part]
    order = []

    def visit(node):
        if node not in order:
            for source in node.takes:
                visit(source)
            order.append(node)

    visit(end)
    for node in order:
        index = Table()
        for i, source in enumerate(node.takes, 1):
            index[i] = source.data
            index[source.data] = float(i)
        node.data["mapindex"] = index
    saved = {id(n): TorchObject("nngraph.Node", 1, Table({"data": n.data})) for n in order}
    nodes = Table({i: saved[id(n)] for i, n in enumerate(order, 1)})
    graph = TorchObject("graph.Graph", 1, Table({"nodes": nodes}))
    modules = [n.data["module"] for n in order if "module" in n.data]
    made = module("nn.gModule", *modules, nInputs=len(inputs), **fields)
    made.fields |= {"forwardnodes": nodes, "outnode": saved[id(end)], "fg": graph, "bg": graph}
    return made


def identity():
    return module("nn.Identity")


def usage_after_split():
    """One value used whole, and in parts."""
    table = apply(identity())
    first, second = table.split(2)
    whole = apply(module("nn.CAddTable"), table)
    return gmodule([table], [first, whole, apply(module("nn.Tanh"), second)])


def nested_inputs():
    """The second input is a table itself."""
    x, state = apply(identity()), apply(identity())
    hidden, cell = state.split(2)
    gate = apply(module("nn.Sigmoid"), apply(linear(RNG, 3, 4), x))
    kept = apply(module("nn.CMulTable"), gate, cell)
    return gmodule([x, state], [apply(module("nn.CAddTable"), kept, hidden), kept])


def shared_linear():
    """One module object at two nodes."""
    both = linear(RNG, 4, 4)
    x = apply(both)
    return gmodule([x], [apply(both, apply(module("nn.Tanh"), x))])


def graph_in_graph():
    x = apply(identity())
    inner = apply(usage_after_split(), x)
    parts = inner.split(3)
    return gmodule([x], [apply(module("nn.JoinTable", dimension=2), *parts)])


def rows(*sizes):
    return [RNG.standard_normal((2, n)) for n in sizes]


GRAPHS = [
    (usage_after_split, lambda: rows(4, 4)),
    (nested_inputs, lambda: [rows(3)[0], rows(4, 4)]),
    (shared_linear, lambda: rows(4)[0]),
    (graph_in_graph, lambda: rows(4, 4)),
]


def flat(value):
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, list) else [value]


def like(value):
    if isinstance(value, list):
        return [like(v) for v in value]
    return RNG.standard_normal(value.shape)


@pytest.mark.parametrize(("graph", "inputs"), GRAPHS, ids=[g.__name__ for g, _ in GRAPHS])
def test_gradients_are_those_of_finite_differences_and_keras_agrees(graph, inputs):
    root, x = build(graph()), inputs()
    y = oracle.forward(root, x)
    upstream = like(y)

    def loss():
        got = flat(oracle.forward(root, x))
        return sum(float((g * u).sum()) for g, u in zip(got, flat(upstream), strict=True))

    of_inputs, of_parameters = oracle.backward(root, x, upstream)
    for leaf, gradient in zip(flat(x), flat(of_inputs), strict=True):
        place, step = (1, 2), 1e-6
        leaf[place] += step
        above = loss()
        leaf[place] -= 2 * step
        below = loss()
        leaf[place] += step
        assert gradient[place] == pytest.approx((above - below) / (2 * step), abs=1e-7)

    converted = migrate.convert(root, x)
    for got, expected in zip(flat(converted(x)), flat(y), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    keras_inputs, keras_parameters = converted.gradients(x, upstream)
    for got, expected in zip(flat(keras_inputs), flat(of_inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    if graph is not shared_linear:  # there each occurrence has the total, in its own way
        for got, expected in zip(keras_parameters, of_parameters, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_an_input_that_ends_in_a_sparse_layer_is_sparse():
    ids, x = apply(identity()), apply(identity())
    wide = apply(linear(RNG, 9, 2, "nn.SparseLinear"), ids)
    deep = apply(linear(RNG, 3, 2), x)
    root = gmodule([ids, x], [apply(module("nn.CAddTable"), wide, deep)])
    given = [[np.array([[2.0, 0.5]]), np.array([[9.0, 1.5], [1.0, 2.0]])], rows(3)[0]]
    converted = migrate.convert(root, given)
    assert converted.plan == [Sparse(9, "float64"), Dense((None, 3), "float64")]
    np.testing.assert_allclose(converted(given), oracle.forward(root, given), rtol=1e-12)


def test_the_first_files_of_nngraph_deal_the_input_out_by_the_first_node():
    left, right = apply(linear(RNG, 3, 2)), apply(linear(RNG, 4, 2))
    root = gmodule([left, right], [apply(module("nn.CAddTable"), left, right)])
    x = rows(3, 4)
    expected = oracle.forward(root, x)

    # As of 2014: no splits; the first node's mapindex lists the nodes that take the entries.
    nodes = root.fields["forwardnodes"]
    start = nodes[1].fields["data"]
    kept = [nodes[1]] + [
        node
        for node in nodes.values()
        if "module" in node.fields["data"] or node is root.fields["outnode"]
    ]
    for position, node in enumerate((left, right), 1):
        node.data["mapindex"] = Table({1: start, start: 1.0})
        start["mapindex"][position] = node.data
        start["mapindex"][node.data] = float(position)
    root.fields["forwardnodes"] = Table(dict(enumerate(kept, 1)))
    del root.fields["modules"], root.fields["nInputs"]
    np.testing.assert_array_equal(oracle.forward(root, x), expected)
    np.testing.assert_allclose(migrate.convert(root, x)(x), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda g: g.fields.pop("forwardnodes"), "forwardnodes should list nodes"),
        (lambda g: g.fields["forwardnodes"][2].fields.pop("data"), "has no data table"),
        (lambda g: g.fields["forwardnodes"][2].fields["data"].pop("mapindex"), "takes no input"),
        (lambda g: g.fields.update(outnode=g.fields["forwardnodes"][1]), "outnode is not the last"),
        (
            lambda g: g.fields["forwardnodes"][2].fields["data"]["mapindex"].update({1: Table()}),
            "a later node, or of none",
        ),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused(damage, message):
    root = usage_after_split()
    damage(root)
    with pytest.raises(GraphError, match=message):
        build(root)
