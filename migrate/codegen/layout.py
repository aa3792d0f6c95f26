"""The parts of a script, in order: imports, features, model, training, command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.codegen.features import feature_lines, kinds_known, named, split_lines
from migrate.codegen.literals import literal, quoted
from migrate.codegen.loops import roll
from migrate.codegen.script import block_lines, call_lines, import_lines
from migrate.codegen.statements import Part, Statement
from migrate.codegen.training import Recipe, loss, optimizer

if TYPE_CHECKING:
    from legacy_yaml.config import Config, Optimization
    from migrate.codegen.trace import Trace

__all__ = ["Script"]

INDENT = "    "
GUARD = 'if __name__ == "__main__":'

# What a script does that only builds a model, given its weights.
SUMMARY = (
    "network = build_model()",
    "load_weights(network, Path(sys.argv[1]))",
    "network.summary()",
)

# What a training script does.
MAIN = (
    "parser = argparse.ArgumentParser(description=__doc__)",
    'parser.add_argument("-o", "--output", type=Path, required=True, help=".keras file to write")',
    'parser.add_argument("--weights", type=Path, help="model folder or .keras file")',
    'parser.add_argument("files", type=Path, nargs="*", help="DataRecord files")',
    "options = parser.parse_args()",
    "model = build_model()",
    "if options.weights:",
    "    load_weights(model, options.weights)",
    "if options.files:",
    "    train(model, options.files)",
    "model.save(options.output)",
)


@dataclass
class Script:
    """A script and all it is made from.

    Attributes:
        name: of the model.
        source: name of the file it comes from.
        trace: the model's operations.
        config: the YAML config, if it comes from one.
        features: what a DataRecord model reads.
    """

    name: str
    source: str
    trace: Trace
    config: Config | None = None
    features: Any = None

    def text(self) -> str:
        """The whole file."""
        features = list(self._features())
        sections: list[Iterable[str]] = [self._model(), self._weights()]
        if self._trains:
            sections += [self._loss(), self._training()]
        sections += self._entry()
        functions = ["\n".join(section) for section in sections]
        head = "\n".join([f'"""{self._title()}"""', "", *import_lines(self.imports)])
        if features:
            head += "\n\n" + "\n".join(features)
        return "\n\n\n".join([head, *functions]) + "\n"

    def __post_init__(self) -> None:
        self.imports = {module: set(names) for module, names in self.trace.imports.items()}
        self._need("keras", "")
        self._need("pathlib", "Path")

    def _need(self, module: str, *names: str) -> None:
        self.imports.setdefault(module, set()).update(names)

    def _needs(self, recipe: Recipe) -> str:
        for module, names in recipe.imports.items():
            self._need(module, *names)
        return recipe.code

    @property
    def _trains(self) -> bool:
        config = self.config
        return bool(
            config
            and config.optimization
            and config.criterion
            and self.features
            and kinds_known(self.features)
        )

    def _title(self) -> str:
        verb = "Builds and trains" if self._trains else "Builds"
        return f"{verb} {self.name}, as {self.source} describes it."

    # --- features -------------------------------------------------------------------------

    def _features(self) -> Iterator[str]:
        uses = "".join(statement.expression for statement in self.trace.body)
        if self.features is not None and "SPLIT" in uses:
            if named(self.features):
                self._need("deepbird_v2.data.feature_ids", "feature_id")
            yield from split_lines(self.features)
        elif self.features is not None and (self._trains or "FEATURES" in uses):
            self._need("deepbird_v2.data.config", "FeatureConfig")
            yield from feature_lines(self.features, self.config)

    # --- model ----------------------------------------------------------------------------

    def _model(self) -> Iterator[str]:
        yield "def build_model() -> keras.Model:"
        yield f'{INDENT}"""The network of {self.name}, with initial weights."""'
        alone = len(self.trace.inputs) == 1
        for statement in self.trace.inputs:
            head = f"{statement.targets[0]} = "
            yield from call_lines(f"inputs = {head}" if alone else head, statement, INDENT)
        rolled = roll(self.trace.body)
        yield from block_lines(rolled, INDENT)
        taken: list[Part] = ["inputs"] if alone else self.trace.taken
        name = f", name={quoted(self.name)})"
        made = Statement((), ("keras.Model(", *taken, ", ", *self.trace.outputs, name))
        yield from call_lines("return ", made, INDENT)

    def _weights(self) -> Iterator[str]:
        yield from (
            "def load_weights(model: keras.Model, path: Path) -> None:",
            f'{INDENT}"""Take the weights of a model folder, or of a .keras file."""',
            f'{INDENT}model.load_weights(path / "model.keras" if path.is_dir() else path)',
        )

    # --- training -------------------------------------------------------------------------

    def _loss(self) -> Iterator[str]:
        self._need("typing", "Any")
        criterion = self.config.criterion if self.config else None
        if criterion is not None:
            yield "def loss(target: Any, output: Any) -> Any:"
            yield f'{INDENT}"""{criterion.type}."""'
            yield f"{INDENT}return {self._needs(loss(criterion))}"

    def _training(self) -> Iterator[str]:
        optimization = self.config.optimization if self.config else None
        self._need("deepbird_v2.data.dataset", "block_format_dataset")
        if self.config is not None and optimization is not None:
            yield "def train(model: keras.Model, files: list[Path]) -> None:"
            yield f'{INDENT}"""Fit the network to DataRecords."""'
            yield from self._phases(self.config, optimization)

    def _phases(self, config: Config, optimization: Optimization) -> Iterator[str]:
        if config.discretizer:
            bins = f"{config.discretizer.num_bins} bins a feature"
            kind = config.discretizer.type
            yield f"{INDENT}# Phase 1, before this: the {kind} discretizer learns {bins}"
            yield f"{INDENT}# from the same files; load_weights brings its state."
        network = "network" if self._calibrates else "model"
        if self._calibrates:
            yield f"{INDENT}# Phase 2: the network up to its score."
            score = 'model.get_layer("calibration").input'
            yield f"{INDENT}network = keras.Model(model.input, {score})"
        options: dict[str, Any] = {"batch_size": optimization.batch_size or 1}
        steps = None if optimization.epochs else optimization.max_iterations
        wanted = {"shuffle": optimization.shuffle, "seed": config.seed, "repeat": bool(steps)}
        options |= {key: value for key, value in wanted.items() if value}
        extra = "".join(f", {key}={literal(value)}" for key, value in options.items())
        yield from _call("dataset = ", f"block_format_dataset(files, FEATURES{extra})")
        yield from _call("optimizer = ", self._needs(optimizer(optimization)))
        yield f"{INDENT}{network}.compile(optimizer, loss)"
        length = f"steps_per_epoch={steps}" if steps else f"epochs={optimization.epochs or 1}"
        yield f"{INDENT}{network}.fit(dataset, {length}, shuffle=False)  # the dataset shuffles"
        if self._calibrates:
            yield f"{INDENT}# Phase 3, after this: isotonic calibration on other files."
        if config.metrics:
            yield f"{INDENT}# v1 reported {', '.join(config.metrics)}."

    @property
    def _calibrates(self) -> bool:
        return bool(self.trace.body) and self.trace.body[-1].expression.startswith("Isotonic(")

    # --- command line ---------------------------------------------------------------------

    def _entry(self) -> list[list[str]]:
        if not self._trains:
            self._need("sys", "")
            return [[GUARD, *(INDENT + line for line in SUMMARY)]]
        self._need("argparse", "")
        lines = ["def main() -> None:", f'{INDENT}"""Command line."""']
        seed = self.config.seed if self.config else None
        for line in MAIN:
            lines.append(INDENT + line)
            if line.startswith("options") and seed is not None:
                lines.append(f"{INDENT}keras.utils.set_random_seed({seed})")
        return [lines, [GUARD, f"{INDENT}main()"]]


def _call(head: str, expression: str) -> list[str]:
    return call_lines(head, Statement((), (expression,)), INDENT)
