"""Layer classes: Torch's own constructors, and the ones a site adds."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from legacy_yaml import ConfigError, Layer, Registry, load_extension, loads
from legacy_yaml import extension as extension_module
from lua_constructors import written

MODULES = Path(__file__).parents[2] / "golden" / "modules"


CASES = sorted(path.parent.name for path in MODULES.glob("*/case.json"))


@pytest.mark.parametrize("name", CASES)
def test_every_constructor_of_torch_is_known(name):
    case = json.loads((MODULES / name / "case.json").read_text("utf-8"))
    document = written(case["constructor"])
    (class_name, args), *_ = document.items()
    config = loads(yaml.safe_dump([document]))
    layer = config.model[0]
    assert layer.class_name == class_name
    if isinstance(args, list):
        count = sum(arg is not None for arg in args)
        children = len(layer.layers)
        variadic = any(isinstance(v, tuple) for v in layer.args.values())
        assert len(layer.given) == count or variadic
        assert children == sum(isinstance(arg, dict) for arg in args if arg) or not children
    assert loads(config.dumps()) == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nn.SpatialMaxPooling: [2, 3]", {"dW": 2, "dH": 3, "padW": 0}),
        ("nn.SpatialMaxPooling: {kW: 2, kH: 3, dH: 1}", {"dW": 2, "dH": 1}),
        ("nn.Linear: [2, 3]", {"bias": True}),
        ("nn.Linear: [2, 3, null]", {"bias": True}),
        ("nn.Threshold: {th: 1, v: 2}", {"threshold": 1, "value": 2, "inplace": False}),
        ("nn.Reshape: [2, 6, true]", {"sizes": (2, 6), "batchMode": True}),
        ("nn.Reshape: [[2, 6], true]", {"sizes": (2, 6), "batchMode": True}),
        ("nn.Reshape: {sizes: [2, 6]}", {"sizes": (2, 6)}),
        ("nn.View: [-1, 6]", {"sizes": (-1, 6)}),
        ("nn.Transpose: [[1, 2], [2, 3]]", {"permutations": ((1, 2), (2, 3))}),
        ("nn.Transpose: [[1, 2]]", {"permutations": ((1, 2),)}),
        ("nn.Normalize: [.inf]", {"p": float("inf")}),
        ("nn.SpatialUpSamplingBilinear: [{oheight: 7, owidth: 5}]",
         {"params": {"oheight": 7, "owidth": 5}}),
        ("nn.PReLU", {"nOutputPlane": 0}),
        ("nn.PReLU:", {"nOutputPlane": 0}),
        ("modules.FullDenseLayer: [4, 3, none]", {"inputFeatures": 4, "activations": ()}),
    ],
)  # fmt: skip
def test_arguments_are_bound_to_parameters(text, expected):
    args = loads(f"- {text}").model[0].args
    assert {name: args[name] for name in expected} == expected


def test_a_wrapped_module_is_a_child():
    layer = loads("- nn.Bottle: [{nn.Linear: [4, 3]}, 3]").model[0]
    assert [child.class_name for child in layer.layers] == ["nn.Linear"]
    assert layer.args == {"nInputDim": 3, "nOutputDim": 3}


def test_an_unpooling_names_its_pooling_by_alias():
    text = "- &pool {nn.SpatialMaxPooling: [2, 2]}\n- nn.SpatialMaxUnpooling: [*pool]"
    pool, unpool = loads(text).model
    pooling = unpool.args["poolingModule"]
    assert isinstance(pooling, Layer)
    assert pooling == pool
    assert pooling.mark == pool.mark


EXTENSION = """\
def register(registry):
    registry.add(
        "modules.CrossLayer(inputFeatures: size, depth: size = 2, kind: matrix|vector = vector)",
        width="inputFeatures -> inputFeatures",
    )
"""


class TestExtensions:
    def test_a_file_adds_classes_for_one_load(self, tmp_path):
        path = tmp_path / "site.py"
        path.write_text(EXTENSION)
        text = "- modules.CrossLayer: {inputFeatures: 5, kind: matrix}"
        layer = loads(text, extensions=[path]).model[0]
        assert layer.args == {"inputFeatures": 5, "depth": 2, "kind": "matrix"}
        with pytest.raises(ConfigError, match="unknown layer class"):
            loads(text)

    def test_its_widths_are_checked(self, tmp_path):
        path = tmp_path / "site.py"
        path.write_text(EXTENSION)
        with pytest.raises(ConfigError, match=r"takes 5, but nn\.Linear \(line 1\) gives 4"):
            loads("- nn.Linear: [3, 4]\n- modules.CrossLayer: [5]", extensions=[path])

    def test_a_loaded_extension_can_be_given_itself(self, tmp_path):
        path = tmp_path / "site.py"
        path.write_text(EXTENSION)
        extension = load_extension(path)
        assert loads("- modules.CrossLayer: [5]", extensions=[extension]).model

    def test_an_installed_package_adds_classes(self, monkeypatch):
        point = EntryPoint("site", f"{__name__}:register", extension_module.ENTRY_POINTS)
        monkeypatch.setattr(
            EntryPoint, "load", lambda self: lambda r: r.add("modules.Site(n: size)")
        )
        monkeypatch.setattr(extension_module, "entry_points", lambda group: [point])
        extension_module._installed.cache_clear()
        try:
            assert loads("- modules.Site: [3]").model[0].args == {"n": 3}
        finally:
            extension_module._installed.cache_clear()

    @pytest.mark.parametrize(
        ("code", "line", "message"),
        [
            ("x = 1", 1, "defines no function"),
            ("\n\n1 / 0", 3, "ZeroDivisionError"),
            ("def f(:", 1, "SyntaxError"),
            ("def register(r):\n    r.add('nn.Linear(x: size)')", 2, "registered twice"),
            ("def register(r):\n    r.add('nonsense')", 2, "not a signature"),
        ],
    )
    def test_a_broken_file_is_named_with_its_line(self, tmp_path, code, line, message):
        path = tmp_path / "site.py"
        path.write_text(code)
        with pytest.raises(ConfigError, match=message) as error:
            loads("- nn.Tanh", extensions=[path])
        (problem,) = error.value.problems
        assert (problem.file, problem.line) == (str(path), line)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(ConfigError, match="not a Python file"):
            loads("- nn.Tanh", extensions=[tmp_path / "gone.py"])


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("modules.A", "not a signature"),
        ("modules.A(x)", "is not 'name: kind = default'"),
        ("modules.A(x: sise)", "unknown kind 'sise'"),
        ("modules.A(x: size, x: size)", "comes twice"),
        ("modules.A(x: size = 0)", "default '0'"),
    ],
)
def test_a_bad_signature_says_why(signature, message):
    with pytest.raises(ValueError, match=message):
        Registry().add(signature)


def test_a_signature_whose_width_rule_is_unknown_is_refused():
    with pytest.raises(ValueError, match="unknown width rule 'wide'"):
        Registry().add("modules.A(x: size)", width="wide")
