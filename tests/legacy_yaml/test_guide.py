"""The examples of the guide do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from legacy_yaml import Config, loads
from legacy_yaml.sections import criteria, methods

GUIDE = (Path(__file__).parents[2] / "docs" / "legacy_yaml.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_example_loads(text):
    assert isinstance(loads(text), Config)


def test_the_extension_works(tmp_path):
    (extension,) = (code for code in blocks("python") if "def register" in code)
    path = tmp_path / "site.py"
    path.write_text(extension)
    assert loads("- modules.CrossLayer: [5]", extensions=[path]).model[0].args["depth"] == 2


def test_every_criterion_and_method_can_be_named_alone():
    for name, params in criteria().items():
        required = {param.name: 3 for param in params if param.required}
        text = f"model: [nn.Tanh]\ncriterion: {{type: {name}, {str(required)[1:-1]}}}"
        assert loads(text).criterion.type == name
    for name in methods():
        assert (
            loads(f"model: [nn.Tanh]\noptimization: {{method: {name}}}").optimization.options == {}
        )
