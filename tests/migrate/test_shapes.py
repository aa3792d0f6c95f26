"""Views: one function of shapes, written twice, and the open batch."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.context import Context, ConversionError
from migrate.converter import convert
from migrate.graph import build
from migrate.shapes import axis_of, reshaped, without
from module_cases import made, sizes
from verify import oracle

DIMS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@st.composite
def views(draw):
    """An input's shape, and a view that often fits it."""
    shape = draw(DIMS)
    size = draw(st.permutations(shape[draw(st.integers(0, len(shape) - 1)) :]))
    if draw(st.booleans()):
        size = [-1, *size[1:]]
    dims = draw(st.none() | st.integers(1, len(shape)))
    return tuple(shape), made("View", size=sizes(*size), numInputDims=dims)


@settings(max_examples=60, deadline=None)
@given(views())
def test_views_of_a_known_shape_are_the_oracles(case):
    shape, module = case
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    try:
        expected = oracle.forward(module, x).shape
    except oracle.OracleError:
        with pytest.raises(ConversionError):
            view(module, shape)
        return
    assert view(module, shape).shape == expected


def view(module, shape):
    """What the converter makes of a view of an input of known shape."""
    ctx = Context("float64")
    return ctx.convert(build(module), keras.Input(batch_shape=shape, dtype="float64"))


@pytest.mark.parametrize(
    ("given_shape", "wanted", "expected"),
    [
        ((None, 12), lambda g: (g[0], 3, 4), (None, 3, 4)),
        ((None, 3, 4), lambda g: (g[0], -1), (None, 12)),
        ((None, 6), lambda g: (2, 3, g[0]), (2, 3, None)),
        ((None, 3, 4), lambda g: (-1, 4), (None, 4)),
        ((2, 6), lambda g: (-1,), (12,)),
    ],
)
def test_the_open_dimension_is_found(given_shape, wanted, expected):
    y = reshaped(Context(), build(made("View")), keras.Input(batch_shape=given_shape), wanted)
    assert y.shape == expected


@pytest.mark.parametrize("wanted", [lambda g: (12,), lambda g: (g[0], g[0]), lambda g: (24, -1)])
def test_a_view_that_depends_on_the_batch_is_refused(wanted):
    with pytest.raises(ConversionError, match=r"View.*(batch|cannot view)"):
        reshaped(Context(), build(made("View")), keras.Input((6,)), wanted)


def test_a_view_of_the_whole_input_makes_a_model_of_that_size():
    x = np.arange(12.0).reshape(2, 6)
    converted = convert(made("View", size=sizes(3, 4)), x)
    assert converted.report.static_batch
    np.testing.assert_array_equal(converted(x), x.reshape(3, 4))


@pytest.mark.parametrize(
    ("fields", "rank", "axis"),
    [
        ({"dimension": 2}, 3, 1),
        ({"dimension": -1}, 3, 2),
        ({"dimension": 1, "nInputDims": 2}, 3, 1),
        ({"dimension": 1, "nInputDims": 3}, 3, 0),
        ({"dimension": -1, "nInputDims": 2}, 3, 2),
        ({}, 2, 0),
    ],
)
def test_dimensions_count_from_one_from_the_end_or_without_the_batch(fields, rank, axis):
    assert axis_of(build(made("Sum", **fields)), rank, default=1) == axis


@pytest.mark.parametrize("dimension", [0, 4, -4])
def test_a_dimension_that_is_not_there_is_an_error(dimension):
    with pytest.raises(ConversionError, match="dimension"):
        axis_of(build(made("Sum", dimension=dimension)), 3)


def test_the_layout_that_remains_without_an_axis():
    nhwc = (0, 2, 3, 1)
    assert [without(nhwc, axis) for axis in range(4)] == [(1, 2, 0), (), (0, 2, 1), (0, 2, 1)]
