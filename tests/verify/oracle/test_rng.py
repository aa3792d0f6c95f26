"""The random stream against what real Torch drew: every case of golden/rng."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrate
from migrate import t7
from migrate.graph import Module, build, parameters, walk
from migrate.t7 import Storage, Tensor
from verify import oracle
from verify.oracle.base import OracleError
from verify.oracle.init import initialize, reset
from verify.oracle.rng import Generator, RandomError

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[3] / "golden" / "rng"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/case.json"))


def rep(n: int, draw: Callable[[], Any]) -> np.ndarray:
    return np.array([float(draw()) for _ in range(n)])


def interleaved(g: Generator) -> np.ndarray:
    values = []
    for i in range(1, 13):
        values.append(g.normal(()))
        if i % 3 == 0:
            values.append(g.uniform(()))
        if i % 4 == 0:
            values.append(g.bernoulli(0.5, ()))
    return np.array(values)


def reseeded(g: Generator, seed: int) -> list[np.ndarray]:
    g.manual_seed(seed)
    return [rep(8, lambda: g.random(())), rep(5, lambda: g.uniform(()))]


def generator_object(_: Generator) -> list[Any]:
    g = Generator(42)
    return [g.uniform(()), g.random(()), g.uniform(4), g.get_state()]


def rng_state(g: Generator) -> dict[str, Any]:
    return {
        "state_after_seed": g.get_state(),
        "three_uniforms": g.uniform(3),
        "one_normal": g.normal(()),
        "state_mid": g.get_state(),
        "five_normals_after": rep(5, lambda: g.normal(())),
        "initialSeed": g.initial_seed,
    }


def weighted(p: Any, samples: int, replacement: bool) -> Callable[[Generator], dict[str, Any]]:
    def run(g: Generator) -> dict[str, Any]:
        weights = g.uniform(p).astype(g.element) if isinstance(p, tuple) else np.array(p, g.element)
        return {"p": weights, "out": g.multinomial(weights, samples, replacement)}

    return run


def transposed_normal(g: Generator) -> np.ndarray:
    x = np.zeros((4, 6))
    x.T[...] = g.normal((6, 4))
    return x


def dropout(p: float, shape: tuple[int, ...], dtype: Any) -> Callable[[Generator], dict[str, Any]]:
    """nn.Dropout of ones: the noise is the output."""

    def run(g: Generator) -> dict[str, Any]:
        module = node("nn.Dropout", p=p, v2=True, train=True)
        ran = oracle.Oracle(module, training=True)
        ran.env.generator = g
        y = ran.forward(np.ones(shape, dtype))
        return {"noise": y, "output": y}

    return run


# --- parameters as constructed ------------------------------------------------------------------


def node(class_name: str, *children: Module, path: str = "", **tensors: Any) -> Module:
    """A module of given tensor sizes, as a constructor lays it out; numbers become fields."""
    fields = {k: v for k, v in tensors.items() if not isinstance(v, tuple | np.ndarray)}
    return Module(
        path,
        class_name,
        class_name,
        fields=fields,
        tensors={k: tensor(v) for k, v in tensors.items() if isinstance(v, tuple | np.ndarray)},
        children=children,
    )


def tensor(value: tuple[int, ...] | np.ndarray) -> Tensor:
    if isinstance(value, tuple):
        return Tensor("torch.DoubleTensor", value, (), 0, None, np.dtype(np.float64))
    strides = tuple(s // value.itemsize for s in value.strides)
    storage = Storage("torch.DoubleStorage", value.ravel())
    return Tensor("torch.DoubleTensor", value.shape, strides, 0, storage, value.dtype)


def started(module: Module) -> Callable[[Generator], list[np.ndarray]]:
    return lambda g: list(initialize(typed(module, g.element), g).values())


def typed(module: Module, dtype: Any) -> Module:
    return replace(
        module,
        tensors={k: replace(t, dtype=np.dtype(dtype)) for k, t in module.tensors.items()},
        children=tuple(typed(child, dtype) for child in module.children),
        links={k: typed(link, dtype) for k, link in module.links.items()},
    )


def restarted(module: Module, stdv: float) -> Callable[[Generator], list[np.ndarray]]:
    """Constructed first, then reset: the constructor's draws are gone."""

    def run(g: Generator) -> list[np.ndarray]:
        initialize(module, g)
        return list(reset(module, g, stdv).values())

    return run


def usual(class_name: str, weight: tuple[int, ...], bias: tuple[int, ...], **more: Any) -> Module:
    return node(class_name, weight=weight, bias=bias, **more)


def layer_norm(n: int) -> Module:
    gain = node("nn.CMul", path="5.CMul", weight=(n,))
    return node("nn.LayerNormalization", gain, node("nn.Add", path="6.Add", bias=(n,)))


def layer_norm_started(g: Generator) -> list[np.ndarray]:
    values = initialize(layer_norm(4), g)
    return [values["5.CMul.weight"], values["6.Add.bias"]]


def partial_linear(inputs: int, outputs: int) -> Module:
    lookup = node("nn.LookupTable", path="network.LookupTable", weight=(outputs, inputs))
    made = node("nn.PartialLinear", bias=(1, outputs))
    return replace(made, links={"network": lookup})


MLP = node(
    "nn.Sequential",
    usual("nn.Linear", (6, 8), (6,), path="1.Linear"),
    node("nn.PReLU", path="2.PReLU", weight=(1,)),
    usual("nn.Linear", (2, 6), (2,), path="3.Linear"),
)

# Constructor -> the tree that it lays out.
CONSTRUCTOR: dict[str, Module] = {
    "nn.Add(5)": node("nn.Add", bias=(5,)),
    "nn.BatchNormalization(5)": usual("nn.BatchNormalization", (5,), (5,)),
    "nn.Bilinear(3,4,2)": usual("nn.Bilinear", (2, 3, 4), (2,)),
    "nn.CAdd(3,2)": node("nn.CAdd", bias=(3, 2)),
    "nn.CMul(4,3)": node("nn.CMul", weight=(4, 3)),
    "nn.Cosine(4,3)": node("nn.Cosine", weight=(3, 4)),
    "nn.Euclidean(3,4)": node("nn.Euclidean", weight=(3, 4)),
    "nn.Linear(5,3,false)": node("nn.Linear", weight=(3, 5)),
    "nn.LinearWeightNorm(4,3)": node("nn.LinearWeightNorm", v=(3, 4), g=(3, 1), bias=(3,)),
    "nn.Linear(6,4)": usual("nn.Linear", (4, 6), (4,)),
    "nn.LookupTable(9,4)": node("nn.LookupTable", weight=(9, 4)),
    "nn.Maxout(4,3,2)": node("nn.Maxout", usual("nn.Linear", (6, 4), (6,), path="1.Linear")),
    "nn.Mul()": node("nn.Mul", weight=(1,)),
    "nn.PReLU(3)": node("nn.PReLU", weight=(3,)),
    "nn.PartialLinear(4,3)": partial_linear(4, 3),
    "nn.Sequential():add(nn.Linear(8,6)):add(nn.PReLU()):add(nn.Linear(6,2))": MLP,
    "nn.SparseLinear(12,3)": usual("nn.SparseLinear", (3, 12), (3,)),
    "nn.SpatialBatchNormalization(3)": usual("nn.SpatialBatchNormalization", (3,), (3,)),
    "nn.SpatialConvolution(2,3,3,3)": usual("nn.SpatialConvolution", (3, 2, 3, 3), (3,)),
    "nn.SpatialConvolutionLocal(1,2,5,5,3,3)": usual(
        "nn.SpatialConvolutionLocal", (3, 3, 2, 1, 3, 3), (2, 3, 3)
    ),
    "nn.SpatialConvolutionMM(2,3,3,3)": usual("nn.SpatialConvolutionMM", (3, 18), (3,)),
    "nn.SpatialDepthWiseConvolution(2,2,3,3)": usual(
        "nn.SpatialDepthWiseConvolution", (2, 18), (2, 2)
    ),
    "nn.SpatialFullConvolution(2,3,3,2)": usual("nn.SpatialFullConvolution", (2, 3, 2, 3), (3,)),
    "nn.SpatialSubSampling(3,2,2)": usual("nn.SpatialSubSampling", (3,), (3,), kW=2.0, kH=2.0),
    "nn.TemporalConvolution(4,3,2)": usual("nn.TemporalConvolution", (3, 8), (3,)),
    "nn.TemporalRowConvolution(3,2)": usual("nn.TemporalRowConvolution", (3, 1, 2), (3,)),
    "nn.VolumetricConvolution(1,2,2,3,2)": usual("nn.VolumetricConvolution", (2, 1, 2, 2, 3), (2,)),
    "nn.WeightedEuclidean(3,4)": node("nn.WeightedEuclidean", weight=(3, 4), diagCov=(3, 4)),
}


# What Lua says -> the same here. A code that is not in the table fails its case.
CODE: dict[str, Callable[[Generator], Any]] = {
    "return torch.FloatTensor(40):bernoulli(0.3)": lambda g: g.bernoulli(0.3, 40),
    "return torch.DoubleTensor(40):bernoulli(0.3)": lambda g: g.bernoulli(0.3, 40),
    "local p = torch.DoubleTensor(30):uniform(0,1); return {p = p, "
    "out = torch.FloatTensor(30):bernoulli(p)}": lambda g: {
        "p": (p := g.uniform(30)),
        "out": g.bernoulli(p, 30),
    },
    "local p = torch.DoubleTensor(30):uniform(0,1); return {p = p, "
    "out = torch.DoubleTensor(30):bernoulli(p)}": lambda g: {
        "p": (p := g.uniform(30)),
        "out": g.bernoulli(p, 30),
    },
    "return torch.FloatTensor(20):cauchy(0,1)": lambda g: g.cauchy(20),
    "return torch.DoubleTensor(20):cauchy(0,1)": lambda g: g.cauchy(20),
    "local m = nn.Dropout(0.5); local y = m:forward(torch.ones(4,5)); "
    "return {noise = m.noise, output = y}": dropout(0.5, (4, 5), np.float64),
    "local m = nn.Dropout(0.25):float(); local y = m:forward(torch.FloatTensor(3,6):fill(1)); "
    "return {noise = m.noise, output = y}": dropout(0.25, (3, 6), np.float32),
    "return torch.FloatTensor(20):exponential(1.5)": lambda g: g.exponential(20, 1.5),
    "return torch.DoubleTensor(20):exponential(1.5)": lambda g: g.exponential(20, 1.5),
    "local g = torch.Generator(); torch.manualSeed(g, 42); return {torch.uniform(g), "
    "torch.random(g), torch.rand(g, 4), torch.getRNGState(g)}": generator_object,
    "return torch.FloatTensor(20):geometric(0.3)": lambda g: g.geometric(20, 0.3),
    "return torch.DoubleTensor(20):geometric(0.3)": lambda g: g.geometric(20, 0.3),
    "return {torch.ByteTensor(15):random(), torch.IntTensor(15):random(1,9), "
    "torch.LongTensor(15):random(50), torch.ShortTensor(10):random(), "
    "torch.CharTensor(10):random()}": lambda g: [
        g.random(15, dtype=np.uint8),
        g.random(15, 1, 9, np.int32),
        g.random(15, high=50, dtype=np.int64),
        g.random(10, dtype=np.int16),
        g.random(10, dtype=np.int8),
    ],
    "return torch.FloatTensor(20):logNormal(2,1)": lambda g: g.log_normal(20, 2, 1),
    "return torch.DoubleTensor(20):logNormal(2,1)": lambda g: g.log_normal(20, 2, 1),
    "local t = torch.DoubleTensor(1500); for i = 1, 1500 do t[i] = torch.random() end; "
    "return t": lambda g: g.random(1500),
    "local p = torch.Tensor(3,6):uniform(0,1); return {p = p, "
    "out = torch.multinomial(p, 5, true)}": weighted((3, 6), 5, True),
    "local p = torch.Tensor{0.1,0.4,0.2,0.3,0.6}; return {p = p, "
    "out = torch.multinomial(p, 4, false)}": weighted([0.1, 0.4, 0.2, 0.3, 0.6], 4, False),
    "local p = torch.Tensor{0.1,0.4,0.2,0.3}; return {p = p, "
    "out = torch.multinomial(p, 12, true)}": weighted([0.1, 0.4, 0.2, 0.3], 12, True),
    "return {torch.DoubleTensor(3):normal(0,1), torch.FloatTensor(5):normal(0,1), "
    "torch.DoubleTensor(2):normal(1,2), torch.DoubleTensor(1):uniform(0,1)}": lambda g: [
        g.normal(3),
        g.normal(5),
        g.normal(2, 1, 2),
        g.uniform(1),
    ],
    "local t = {}; for i = 1, 12 do t[#t+1] = torch.normal(); if i % 3 == 0 then "
    "t[#t+1] = torch.uniform() end; if i % 4 == 0 then t[#t+1] = torch.bernoulli(0.5) end end; "
    "return torch.DoubleTensor(t)": interleaved,
    "return torch.FloatTensor(21):normal(1.5,0.3)": lambda g: g.normal(21, 1.5, 0.3, np.float32),
    "return torch.DoubleTensor(21):normal(1.5,0.3)": lambda g: g.normal(21, 1.5, 0.3),
    "return torch.rand(5,4)": lambda g: g.uniform((5, 4)),
    "return torch.randn(7,3)": lambda g: g.normal((7, 3)),
    "local x = torch.DoubleTensor(4,6):zero(); x:t():normal(0,1); return x": transposed_normal,
    "return {a = torch.FloatTensor(20):random(), b = torch.FloatTensor(20):random(10), "
    "c = torch.FloatTensor(20):random(-5,7)}": lambda g: {
        "a": g.random(20, dtype=np.float32),
        "b": g.random(20, high=10, dtype=g.element),
        "c": g.random(20, -5, 7, g.element),
    },
    "return {a = torch.DoubleTensor(20):random(), b = torch.DoubleTensor(20):random(10), "
    "c = torch.DoubleTensor(20):random(-5,7)}": lambda g: {
        "a": g.random(20, dtype=np.float64),
        "b": g.random(20, high=10, dtype=g.element),
        "c": g.random(20, -5, 7, g.element),
    },
    "return torch.randperm(17)": lambda g: g.randperm(17),
    "local s0 = torch.getRNGState():clone(); local a = rep(3, function() return torch.uniform() "
    "end); local n = torch.normal(); local s1 = torch.getRNGState():clone(); local b = rep(5, "
    "function() return torch.normal() end); return {state_after_seed = s0, three_uniforms = a, "
    "one_normal = n, state_mid = s1, five_normals_after = b, "
    "initialSeed = torch.initialSeed()}": rng_state,
    "return {rep(30, function() return torch.bernoulli() end), rep(30, function() return "
    "torch.bernoulli(0.2) end)}": lambda g: [
        rep(30, lambda: g.bernoulli(0.5, ())),
        rep(30, lambda: g.bernoulli(0.2, ())),
    ],
    "return rep(20, function() return torch.cauchy(0,1) end)": lambda g: rep(
        20, lambda: g.cauchy(())
    ),
    "return rep(20, function() return torch.exponential(1) end)": lambda g: rep(
        20, lambda: g.exponential((), 1)
    ),
    "return rep(30, function() return torch.geometric(0.5) end)": lambda g: rep(
        30, lambda: g.geometric((), 0.5)
    ),
    "return rep(20, function() return torch.logNormal(1,2) end)": lambda g: rep(
        20, lambda: g.log_normal(())
    ),
    "return {rep(21, function() return torch.normal() end), rep(10, function() return "
    "torch.normal(2,0.5) end)}": lambda g: [
        rep(21, lambda: g.normal(())),
        rep(10, lambda: g.normal((), 2, 0.5)),
    ],
    "return {rep(20, function() return torch.random() end), rep(20, function() return "
    "torch.random(6) end), rep(20, function() return torch.random(3,8) end)}": lambda g: [
        rep(20, lambda: g.random(())),
        rep(20, lambda: g.random((), high=6)),
        rep(20, lambda: g.random((), 3, 8)),
    ],
    "return {rep(20, function() return torch.uniform() end), rep(20, function() return "
    "torch.uniform(-1) end), rep(20, function() return torch.uniform(-3,2) end)}": lambda g: [
        rep(20, lambda: g.uniform(())),
        rep(20, lambda: g.uniform((), -1)),
        rep(20, lambda: g.uniform((), -3, 2)),
    ],
    "torch.manualSeed(0); return {rep(8, function() return torch.random() end), rep(5, "
    "function() return torch.uniform() end)}": lambda g: reseeded(g, 0),
    "torch.manualSeed(1); return {rep(8, function() return torch.random() end), rep(5, "
    "function() return torch.uniform() end)}": lambda g: reseeded(g, 1),
    "torch.manualSeed(123456789); return {rep(8, function() return torch.random() end), rep(5, "
    "function() return torch.uniform() end)}": lambda g: reseeded(g, 123456789),
    "return torch.FloatTensor(25):uniform(-2,3)": lambda g: g.uniform(25, -2, 3),
    "return torch.DoubleTensor(25):uniform(-2,3)": lambda g: g.uniform(25, -2, 3),
}

STARTS = {made: started(module) for made, module in CONSTRUCTOR.items()}
STARTS["nn.LayerNormalization(4)"] = layer_norm_started
CODE |= {
    f"local m = {made}; local o = {{}}; for i, p in ipairs((m:parameters())) do o[i] = p end; "
    "return o": run
    for made, run in STARTS.items()
}
CODE |= {
    "local m = nn.Linear(4,3):float(); return {m.weight, m.bias}": started(
        usual("nn.Linear", (3, 4), (3,))
    ),
    "local m = nn.Linear(5,3); m:reset(0.2); return {m.weight, m.bias}": restarted(
        usual("nn.Linear", (3, 5), (3,)), 0.2
    ),
    "local m = nn.SpatialConvolution(2,3,3,3); m:reset(0.1); return {m.weight, m.bias}": restarted(
        usual("nn.SpatialConvolution", (3, 2, 3, 3), (3,)), 0.1
    ),
}


def pairs(expected: Any, got: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    if isinstance(expected, dict):
        assert set(expected) == set(got)
        return [pair for key in expected for pair in pairs(expected[key], got[key])]
    if isinstance(expected, list):
        assert len(expected) == len(got)
        return [pair for e, g in zip(expected, got, strict=True) for pair in pairs(e, g)]
    return [(np.asarray(expected), np.asarray(got))]


@pytest.mark.parametrize("case", CASES)
def test_draws_are_torchs(case: str) -> None:
    """Bit for bit: the operations are single IEEE ones, or libm's own."""
    info = json.loads((GOLDEN / case / "case.json").read_text())
    expected = migrate.load_t7(GOLDEN / case / "result.t7")
    g = Generator(info["seed"])
    g.element = np.float32 if "Float" in info["default_tensor_type"] else np.float64
    for want, got in pairs(expected, CODE[info["code"]](g)):
        np.testing.assert_array_equal(got.astype(want.dtype), want)


def test_every_case_and_no_other_has_its_code() -> None:
    codes = {json.loads((GOLDEN / c / "case.json").read_text())["code"] for c in CASES}
    assert codes == set(CODE)


@given(st.integers(0, 2**40), st.integers(0, 1300), st.integers(0, 3))
def test_a_saved_state_goes_on_where_it_was(seed: int, draws: int, normals: int) -> None:
    g, other = Generator(seed), Generator(seed + 1)
    g.uniform(draws)
    g.normal(normals)
    other.set_state(g.get_state())
    np.testing.assert_array_equal(other.get_state(), g.get_state())
    np.testing.assert_array_equal(other.normal(5), g.normal(5))
    np.testing.assert_array_equal(other.raw(700), g.raw(700))


@given(st.lists(st.integers(0, 5), max_size=8))
def test_normals_do_not_care_how_they_are_asked_for(sizes: list[int]) -> None:
    whole = Generator(7).normal(sum(sizes))
    g = Generator(7)
    np.testing.assert_array_equal(np.concatenate([g.normal(n) for n in sizes] + [[]]), whole)


def test_without_replacement_every_category_comes_once() -> None:
    picked = Generator(3).multinomial(np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 1.0]]), 2)
    assert picked.shape == (2, 2)
    assert all(len(set(row)) == 2 for row in picked.tolist())


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda g: g.normal(1, 0, 0), "standard deviation"),
        (lambda g: g.geometric(1, 1.0), "between 0 and 1"),
        (lambda g: g.bernoulli(1.5, 1), "outside 0..1"),
        (lambda g: g.random(1, 5, 3), "below lower bound"),
        (lambda g: g.multinomial(np.ones(2), 3), "3 samples without replacement of 2"),
        (lambda g: g.multinomial(np.zeros(2), 1), "add up to 0"),
        (lambda g: g.set_state(np.zeros(12)), "5048 bytes"),
        (lambda g: g.set_state(np.zeros(5048)), "left=0"),
    ],
)
def test_bad_arguments_are_refused(draw: Callable[[Generator], Any], message: str) -> None:
    with pytest.raises(RandomError, match=message):
        draw(Generator(0))


def test_convolution_maps_draw_by_connection() -> None:
    table = np.array([[1.0, 1.0], [2.0, 1.0], [1.0, 2.0]])
    module = usual("nn.SpatialConvolutionMap", (3, 2, 2), (2,), connTable=table)
    values = initialize(module, Generator(11))
    u = Generator(11).uniform(14) * 2 - 1
    fan_in = np.array([8] * 8 + [4] * 4 + [8, 4])
    drawn = np.concatenate([values["weight"].ravel(), values["bias"]])
    np.testing.assert_allclose(drawn, u / np.sqrt(fan_in), rtol=1e-13)


def test_index_linear_is_zero_until_it_is_reset() -> None:
    module = usual("nn.IndexLinear", (6, 7), (3,), normalize=4.0)
    assert not any(v.any() for v in initialize(module, Generator(0)).values())
    weight = reset(module, Generator(0))["weight"]
    assert not weight[:, :4].any()
    assert weight[:, 4:].all()


def test_a_class_without_a_rule_is_an_error() -> None:
    with pytest.raises(OracleError, match=r"no rule says how nn\.Unheard"):
        initialize(node("nn.Unheard", weight=(2,)), Generator(0))


TRAINED = sorted(path.parent for path in GOLDEN.parent.glob("training/*/case.json"))
DRAWN = {"nn.Linear", "nn.SparseLinear", "nn.SpatialConvolution"}


@pytest.mark.parametrize("folder", TRAINED, ids=lambda folder: folder.name)
def test_whole_models_start_as_torchs(folder: Path) -> None:
    """The goldens' makers then gave slopes and offsets other values; weights stayed as drawn."""
    module = build(t7.load(folder / "model_init.t7"))
    if any(m.class_name == "nn.IndexLinear" for m in walk(module)):
        pytest.skip("its constructor draws nothing; the maker filled it in")
    drawn = [p for p in parameters(module) if p.module.class_name in DRAWN and p.name == "weight"]
    seed = json.loads((folder / "case.json").read_text())["seed"]
    values = initialize(module, Generator(seed))
    assert drawn
    for parameter in drawn:
        np.testing.assert_array_equal(values[parameter.path], parameter.tensor.numpy())
