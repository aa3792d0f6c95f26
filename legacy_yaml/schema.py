"""From a read document to a typed config, with every problem of the document in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from legacy_yaml.config import Config, Layer, snake
from legacy_yaml.extension import build_registry
from legacy_yaml.kinds import COUNT, NAMES, TEXT, Failed
from legacy_yaml.layers import LayerReader
from legacy_yaml.nodes import Entry, Scalar, shorten, to_plain
from legacy_yaml.problems import Problems, suggest
from legacy_yaml.reader import read
from legacy_yaml.sections import SectionReader
from legacy_yaml.width_rules import rule_for
from legacy_yaml.widths import Checker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from legacy_yaml.extension import Extension
    from legacy_yaml.reader import Document
    from legacy_yaml.registry import Registry
    from legacy_yaml.widths import Rule

_KEYS = (
    *("name", "seed", "templates", "variables", "include", "data", "discretizer", "model"),
    *("criterion", "optimization", "calibration", "metrics"),
)
_SECTIONS = ("data", "discretizer", "criterion", "optimization", "calibration")
_PLACES = {  # a layer that takes what it leaves out from a section
    "modules.DiscretizerLayer": ("discretizer", ("numBins", "outputBits")),
    "modules.IsotonicLayer": ("calibration", ("numBins",)),
}


def load(
    path: str | Path,
    *,
    set: Mapping[str, object] | None = None,  # noqa: A002  named as the command line's --set
    extensions: Iterable[str | Path | Extension] = (),
) -> Config:
    """Reads a v1 YAML config.

    Args:
        path: The file.
        set: Values for ``${var}`` placeholders; text is typed as YAML types unquoted text.
        extensions: Python files with ``register(registry)``, or such functions, that add layer
            classes. Files are executed.

    Raises:
        ConfigError: With every problem that was found.
    """
    return _load(Path(path), None, set or {}, extensions)


def loads(
    text: str,
    *,
    name: str | Path = "config.yaml",
    set: Mapping[str, object] | None = None,  # noqa: A002  named as the command line's --set
    extensions: Iterable[str | Path | Extension] = (),
) -> Config:
    """Reads a v1 YAML config from text, as if the file ``name`` held it; else as ``load``.

    Raises:
        ConfigError: With every problem that was found.
    """
    return _load(Path(name), text, set or {}, extensions)


def _load(
    path: Path,
    text: str | None,
    overrides: Mapping[str, object],
    extensions: Iterable[str | Path | Extension],
) -> Config:
    problems = Problems()
    registry = build_registry(extensions)
    document = read(path, text, overrides, problems)
    config = _Reader(registry, problems).config(document, path.stem)
    problems.raise_if_any()
    return config


class _Reader:
    def __init__(self, registry: Registry, problems: Problems) -> None:
        self._registry = registry
        self._problems = problems
        self._sections = SectionReader(problems)

    def config(self, document: Document, stem: str) -> Config:
        entries = {entry.key: entry for entry in document.root.entries if not _is_null(entry)}
        for key, entry in entries.items():
            if key not in _KEYS:
                hint = suggest(key, _KEYS)
                rest = "" if hint else f"; a document has: {', '.join(_KEYS)}"
                self._problems.add(
                    entry.mark, shorten(key), f"unknown key {shorten(key)!r}{rest}", hint
                )
        sections = {
            key: getattr(self._sections, key)(entries[key].value, entries[key].mark)
            for key in _SECTIONS
            if key in entries
        }
        model = self._model(entries, document, sections)
        variables: dict[str, Any] = {k: _frozen(to_plain(v)) for k, v in document.variables.items()}
        return Config(
            name=self._top(entries.get("name"), TEXT) or stem,
            seed=self._top(entries.get("seed"), COUNT),
            model=model,
            metrics=self._top(entries.get("metrics"), NAMES) or (),
            variables=variables,
            **sections,
        )

    def _top(self, entry: Entry | None, kind: Any) -> Any:
        if entry is None:
            return None
        value = kind.read(entry.value, entry.key, self._problems)
        return None if isinstance(value, Failed) else value

    def _model(
        self, entries: Mapping[str, Entry], document: Document, sections: Mapping[str, Any]
    ) -> tuple[Layer, ...]:
        entry = entries.get("model")
        if entry is None:
            self._problems.add(
                document.root.mark, "model", "missing: a document has a list of layers"
            )
            return ()
        reader = LayerReader(self._registry, self._problems, _placeholders(entries, sections))
        layers = reader.layers(entry.value, "model")
        checker = Checker(self._rule_of, reader.mark_of, self._problems)
        checker.chain(layers, None)
        return layers

    def _rule_of(self, class_name: str) -> Rule:
        found = self._registry.find(class_name)
        return rule_for(found.width if found else None)


def _placeholders(
    entries: Mapping[str, Entry], sections: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What the layers that only name a place take from their section, by class."""
    places: dict[str, dict[str, Any]] = {}
    for class_name, (key, parameters) in _PLACES.items():
        section = sections.get(key)
        if section is not None or key not in entries:
            places[class_name] = {name: getattr(section, snake(name), None) for name in parameters}
    return places


def _is_null(entry: Entry) -> bool:
    return isinstance(entry.value, Scalar) and entry.value.value is None


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return {k: _frozen(v) for k, v in value.items()} if isinstance(value, dict) else value
