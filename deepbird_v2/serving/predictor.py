"""A model as it is served: bytes or arrays in, scores out, by the fastest backend that is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from deepbird_v2 import folder as folders
from deepbird_v2.data import (
    Batch,
    FeatureConfig,
    RecordBuffer,
    decode_batch,
    decode_requests,
    encode_batch_response,
    encode_predictions,
    feature_id,
)
from deepbird_v2.export import load_keras
from deepbird_v2.serving.backends import (
    Backend,
    CompiledBackend,
    TensorFlowBackend,
    inputs_of,
    output_names,
)
from deepbird_v2.serving.compiler import compile_plan
from deepbird_v2.serving.errors import CannotRunError
from deepbird_v2.serving.gate import Agreement, Limit, agree, sample_records, sample_tensors
from deepbird_v2.serving.indices import index_ranges
from deepbird_v2.serving.kernels import DiscretizedSum, Discretizer
from deepbird_v2.serving.litert import LiteRTBackend
from deepbird_v2.serving.plan import Plan

__all__ = ["BACKENDS", "FAST_BACKENDS", "BackendError", "BackendName", "Predictor"]

Array = np.ndarray[Any, Any]
BackendName = Literal["auto", "compiled", "litert", "tensorflow"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)


class BackendError(ValueError):
    """A backend that was asked for cannot run the model, or does not answer as it does."""


class Predictor:
    """A loaded model.

    Args:
        model: the Keras model.
        features: what it reads from DataRecords; None for a model of tensors.
        name: of the model.
        backend: ``compiled``, ``litert``, ``tensorflow``, or ``auto``: the first of them that can
            run the model and answers sample requests as TensorFlow does.

    Attributes:
        backend: what runs the model.
        choice: one sentence on why.
        outputs: names of the outputs.

    Raises:
        BackendError: the backend asked for cannot be used.
    """

    def __init__(
        self,
        model: Any,
        features: FeatureConfig | None,
        name: str = "model",
        backend: BackendName = "auto",
    ) -> None:
        if backend not in BACKENDS:
            known = ", ".join(BACKENDS)
            raise BackendError(f"unknown backend {backend!r}; backends are {known}")
        self.features, self.name = features, name
        self.inputs = {n: (i.shape, i.dtype) for n, i in inputs_of(model).items()}
        self.outputs = tuple(output_names(model))
        self.backend, self.choice = _choose(model, features, backend)
        self._ids = {output: feature_id(output) for output in self.outputs}

    @classmethod
    def load(
        cls, folder: str | Path, backend: BackendName = "auto", *, check: bool = True
    ) -> Predictor:
        """Load a model folder.

        Args:
            folder: that ``deepbird convert`` wrote.
            backend: see the class.
            check: refuse files that were altered since the folder was written.

        Raises:
            FolderError: the folder holds no model.
            BackendError: the backend asked for cannot be used.
        """
        root = Path(folder)
        manifest = folders.read_manifest(root, check=check)
        records = manifest.kind == "records"
        features = FeatureConfig.load(root / "features.json") if records else None
        return cls(load_keras(root / "model.keras"), features, manifest.name, backend)

    def predict(self, batch: Batch) -> dict[str, Array]:
        """Scores of a decoded batch: output name → [B]."""
        self._needs_records()
        columns = {name: getattr(batch, name) for name in self.inputs}
        answers = self.backend.run({**columns, "row_splits": batch.row_splits})
        return {name: values.reshape(len(batch)) for name, values in answers.items()}

    def predict_records(self, records: Sequence[bytes] | RecordBuffer) -> dict[str, Array]:
        """Scores of encoded DataRecords: output name → [B].

        Raises:
            DecodeError: a record is malformed.
        """
        return self.predict(decode_batch(records, self._needs_records()))

    def predict_request(self, request: bytes) -> dict[str, Array]:
        """Scores of an encoded BatchPredictionRequest: output name → [B].

        Raises:
            DecodeError: the request is malformed.
        """
        return self.predict(decode_requests(request, self._needs_records()))

    def respond(self, request: bytes) -> bytes:
        """The encoded BatchPredictionResponse to an encoded BatchPredictionRequest.

        Raises:
            DecodeError: the request is malformed.
        """
        return encode_batch_response(self.encode(self.predict_request(request)))

    def encode(self, scores: Mapping[str, Array]) -> list[bytes]:
        """One prediction record a row, each score under its name's feature id."""
        return encode_predictions({self._ids[name]: s for name, s in scores.items()})

    def predict_tensors(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs of a model of tensors: name → array.

        Raises:
            ValueError: an input is missing, or there is one too many.
        """
        if set(inputs) != set(self.inputs):
            raise ValueError(f"the inputs are {sorted(self.inputs)}, not {sorted(inputs)}")
        return self.backend.run(
            {name: np.ascontiguousarray(inputs[name], d) for name, (_, d) in self.inputs.items()}
        )

    def _needs_records(self) -> FeatureConfig:
        if self.features is None:
            raise ValueError(f"{self.name} takes tensors, not DataRecords")
        return self.features


# In the order in which they are tried.
FAST_BACKENDS: Mapping[str, Callable[[Any], Backend]] = {
    "compiled": lambda model: CompiledBackend(compile_plan(model)),
    "litert": LiteRTBackend,
}


def _choose(model: Any, features: FeatureConfig | None, wanted: BackendName) -> tuple[Backend, str]:
    reference = TensorFlowBackend(model)
    if wanted == "tensorflow":
        return reference, "tensorflow, as asked"
    refused: list[str] = []
    for name in FAST_BACKENDS if wanted == "auto" else (wanted,):
        fast, found = _try(model, features, reference, FAST_BACKENDS[name])
        if fast is not None and found.problem is None:
            worst = max(found.worst.values(), default=0.0)
            before = "".join(f"; {reason}" for reason in refused)
            return fast, f"{name}: within {worst:.2g} of TensorFlow on sample requests{before}"
        refused.append(f"the {name} backend cannot be used: {found.problem}")
    if wanted != "auto":
        raise BackendError(refused[0])
    return reference, f"tensorflow, because {', and '.join(refused)}"


def _try(
    model: Any,
    features: FeatureConfig | None,
    reference: Backend,
    make: Callable[[Any], Backend],
) -> tuple[Backend | None, Agreement]:
    """A fast backend, where it can run the model, and how far it agrees with it."""
    try:
        fast = make(model)
    except CannotRunError as error:
        return None, Agreement({}, f"no kernel for {error}")
    limits = {n: Limit.of_output(n, features is not None) for n in output_names(model)}
    if features is None:
        shapes = {name: (i.shape, i.dtype) for name, i in inputs_of(model).items()}
        samples = sample_tensors(shapes, index_ranges(model))
    else:
        states = _states(fast.plan) if isinstance(fast, CompiledBackend) else []
        samples = sample_records(states, features.ids)
    return fast, agree(reference, fast, samples, limits)


def _states(plan: Plan) -> list[Any]:
    kernels = [step.kernel for step in plan.steps]
    discretizers = [k.discretizer if isinstance(k, DiscretizedSum) else k for k in kernels]
    return [k.state for k in discretizers if isinstance(k, Discretizer)]
