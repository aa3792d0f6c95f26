"""A golden case: a folder with ``case.json`` and the ``.t7`` files that real Torch wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import migrate
from migrate.graph import Module, build, walk

__all__ = ["Case", "GoldenError", "discover"]

# Classes whose training forward draws random numbers; FractionalMaxPooling always does.
RANDOM = {
    "nn.Dropout", "nn.SpatialDropout", "nn.VolumetricDropout", "nn.RReLU", "nn.WhiteNoise",
    "nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling",
}  # fmt: skip
ALWAYS_RANDOM = {"nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling"}

# What a case is, told by a file that it has; the first that fits.
KINDS = {
    "criterion": "loss.t7",
    "training": "model_init.t7",
    "module": "model.t7",
    "io": "expected.json",
    "rng": "result.t7",
}


class GoldenError(ValueError):
    """A golden folder cannot be used; says which and why."""


@dataclass
class Case:
    """A golden case on disk.

    Attributes:
        folder: of the case.
    """

    folder: Path
    _files: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``suite/case``."""
        folder = self.folder.resolve()
        return f"{folder.parent.name}/{folder.name}"

    @cached_property
    def info(self) -> dict[str, Any]:
        """``case.json``."""
        return self.read_json("case.json")

    def read_json(self, name: str) -> dict[str, Any]:
        """The object in a JSON file of the case.

        Raises:
            GoldenError: the file cannot be read, or holds something else.
        """
        path = self.folder / name
        try:
            loaded = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GoldenError(f"{path}: cannot be read: {error}") from None
        if not isinstance(loaded, dict):
            raise GoldenError(f"{path}: should hold an object, not a {type(loaded).__name__}")
        return loaded

    @property
    def kind(self) -> str:
        """One of :data:`KINDS`; empty for a folder that is none of them."""
        if (self.folder / "criterion.t7").exists() and not self.has("model_init"):
            return "criterion"
        return next((k for k, file in KINDS.items() if (self.folder / file).exists()), "")

    @property
    def suite(self) -> str:
        """``modules``, ``criteria``, ...; the name of the folder around where nothing says."""
        return str(self.info.get("suite", self.folder.resolve().parent.name))

    def has(self, stem: str) -> bool:
        """Whether the case has the file ``stem.t7``."""
        return (self.folder / f"{stem}.t7").exists()

    def load(self, stem: str) -> Any:
        """The plain value of ``stem.t7``."""
        if stem not in self._files:
            self._files[stem] = migrate.load_t7(self.folder / f"{stem}.t7")
        return self._files[stem]

    @property
    def model_file(self) -> Path:
        """Where the module or criterion is."""
        stem = "criterion" if self.kind == "criterion" else "model"
        return self.folder / f"{stem}.t7"

    @cached_property
    def module(self) -> Module:
        """The module or criterion."""
        return build(self.load(self.model_file.stem))

    @cached_property
    def inputs(self) -> Any:
        """What forward takes; a criterion takes [input, target]."""
        if self.kind == "criterion":
            target = self.load("target") if self.has("target") else None
            return [self.load("input"), target]
        return self.load("input")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes of the modules in the case, sorted."""
        return tuple(sorted({m.class_name for m in walk(self.module)}))

    @cached_property
    def random(self) -> bool:
        """Whether the training forward draws random numbers."""
        return self.always_random or not RANDOM.isdisjoint(self.classes)

    @cached_property
    def always_random(self) -> bool:
        """Whether the evaluation forward draws random numbers, too."""
        return "eval_noise_seed" in self.info or not ALWAYS_RANDOM.isdisjoint(self.classes)

    @cached_property
    def converted(self) -> Any:
        """The converted model."""
        return migrate.convert(self.module, example_inputs=self.inputs)

    def seed(self, training: bool) -> int | None:
        """Of the random stream right before the forward."""
        key = "noise_seed" if training else "eval_noise_seed"
        value = self.info.get(key)
        return int(value) if value is not None else None


def discover(folder: Path) -> list[Case]:
    """Every case below ``folder`` (a golden folder, a suite, or one case), sorted.

    Raises:
        GoldenError: there is no such folder, or no case in it.
    """
    if not folder.is_dir():
        raise GoldenError(f"{folder}: no such folder")
    if (folder / "case.json").exists():
        return [Case(folder)]
    found = [Case(path.parent) for path in sorted(folder.rglob("case.json"))]
    if not found:
        raise GoldenError(
            f"{folder}: no golden case in it; a case is a folder with case.json and .t7 files"
        )
    return found
