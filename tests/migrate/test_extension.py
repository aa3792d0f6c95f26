"""Classes that the project does not know, brought by a user's file."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

import migrate
from migrate import aliases, extension, registry
from migrate.extension import ExtensionError, load_extension
from migrate.t7.objects import TorchObject
from torch_objects import linear, module
from verify import oracle
from verify.oracle import base

EXTENSION = """
from migrate.aliases import alias
from migrate.registry import converts
from verify.oracle.base import Op, op

alias("{package}.Scaled", "{package}.Scale")

@converts("{package}.Scale", layout="any")
def scale(ctx, m, x):
    return x * m.number("factor")

@op("{package}.Scale")
class Scale(Op):
    def forward(self, x):
        return x * x.dtype.type(self.node.number("factor"))

    def backward(self, x, gy):
        return gy * gy.dtype.type(self.node.number("factor"))
"""
PACKAGES = (f"acme{i}" for i in count())


@pytest.fixture
def package():
    """A package name that no other test registers classes under; forgotten afterwards."""
    name = next(PACKAGES)
    yield name
    for known in (registry._CONVERTERS, base._OPS, aliases.RENAMED):
        for class_name in [c for c in known if c.startswith(f"{name}.")]:
            del known[class_name]


def model(class_name: str) -> TorchObject:
    dense = linear(np.random.default_rng(5), 4, 3, dtype=np.float32)
    return module("nn.Sequential", dense, module(class_name, factor=2.5))


@pytest.mark.parametrize("spelling", ["Scale", "Scaled"])
def test_a_file_brings_a_class_to_the_converter_and_to_the_oracle(tmp_path, package, spelling):
    path = tmp_path / "scale.py"
    path.write_text(EXTENSION.format(package=package))
    torch = model(f"{package}.{spelling}")
    x = np.random.default_rng(6).standard_normal((2, 4)).astype(np.float32)

    with pytest.raises(ValueError, match="have no converter"):
        migrate.convert(torch, x)
    assert load_extension(path) is load_extension(str(path))

    plain = model(f"{package}.Scale").fields["modules"][1]
    expected = oracle.forward(plain, x) * np.float32(2.5)
    np.testing.assert_array_equal(oracle.forward(torch, x), expected)
    np.testing.assert_allclose(migrate.convert(torch, x)(x), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise RuntimeError('no licence')\n", r"bad\.py:2: RuntimeError: no licence"),
        ("def broken(:\n", r"bad\.py:1: SyntaxError"),
        ("import a_package_nobody_has\n", r"bad\.py:1: ModuleNotFoundError"),
        (
            "from migrate.registry import converts\n@converts('nn.Linear')\ndef f(c, m, x): ...\n",
            r"bad\.py:2: RegistryError: two converters for nn\.Linear",
        ),
    ],
)
def test_a_file_that_fails_is_one_error_with_its_line(tmp_path, text, message):
    registry.load_families()
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ExtensionError, match=message):
        load_extension(path)


@pytest.mark.parametrize("name", ["missing.py", "notes.txt"])
def test_what_is_no_python_file_is_said_so(tmp_path, name):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ExtensionError, match="Python file"):
        load_extension(tmp_path / name)


def test_a_class_stands_for_one_class_only(package):
    aliases.alias(f"{package}.Dense", "nn.Linear")
    aliases.alias(f"{package}.Dense", "nn.Linear")
    with pytest.raises(ValueError, match=r"stands for nn\.Linear already"):
        aliases.alias(f"{package}.Dense", "nn.Bilinear")


def test_installed_packages_are_found_by_their_entry_point(tmp_path, monkeypatch, package):
    (tmp_path / "acme_layers.py").write_text(EXTENSION.format(package=package))
    info = tmp_path / "acme_layers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-layers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{extension.GROUP}]\nlayers = acme_layers\n")
    monkeypatch.syspath_prepend(tmp_path)
    extension.load_installed.cache_clear()
    try:
        assert "layers" in extension.load_installed()
        assert f"{package}.Scale" in registry.declared()
    finally:
        extension.load_installed.cache_clear()


def test_an_installed_package_that_fails_is_named(tmp_path, monkeypatch):
    info = tmp_path / "acme_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{extension.GROUP}]\nbroken = acme_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    extension.load_installed.cache_clear()
    try:
        with pytest.raises(ExtensionError, match="'broken' of acme-broken failed"):
            extension.load_installed()
    finally:
        extension.load_installed.cache_clear()
