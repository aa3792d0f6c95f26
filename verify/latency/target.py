"""What can be measured: a model folder, a v1 source, an endpoint, a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

__all__ = ["Kind", "Target"]

Kind = Literal["folder", "v1", "endpoint", "recorded"]
V1_SUFFIXES = (".t7", ".yaml", ".yml")
RECORDED_SUFFIXES = (".json", ".csv")
BACKENDS = ("auto", "compiled", "litert", "tensorflow")
SCHEMES = ("thrift", "thrift+buffered")


@dataclass(frozen=True)
class Target:
    """An engine that is not started yet; crosses process borders.

    Attributes:
        kind: what it is.
        where: path or address.
        backend: of a model folder.
        features: ``features.json`` of a v1 source.
    """

    kind: Kind
    where: str
    backend: str = "auto"
    features: str | None = None

    @classmethod
    def parse(cls, text: str, backend: str = "auto", features: str | None = None) -> Self:
        """What a user named.

        Raises:
            ValueError: nothing of that kind can be measured.
        """
        if "://" in text:
            address = urlsplit(text)
            if address.scheme not in SCHEMES or not address.hostname or not address.port:
                raise ValueError(f"{text}: write thrift://host:port, or thrift+buffered://")
            return cls("endpoint", text)
        path = Path(text)
        if not path.exists():
            raise ValueError(f"{text}: no such file or folder")
        if path.is_dir():
            if backend not in BACKENDS:
                raise ValueError(f"unknown backend {backend!r}; backends are {', '.join(BACKENDS)}")
            return cls("folder", text, backend)
        if path.suffix in V1_SUFFIXES:
            return cls("v1", text, features=features)
        if path.suffix in RECORDED_SUFFIXES:
            return cls("recorded", text)
        raise ValueError(f"{text}: neither a model folder, a .t7, a YAML, nor a .json or .csv")

    @property
    def remote(self) -> bool:
        """Whether another process does the work: what it takes of a processor cannot be seen."""
        return self.kind == "endpoint"

    def open(self) -> tuple[Callable[[Sequence[bytes]], object], str]:
        """Start it.

        Returns:
            (answers one request of encoded DataRecords, what exactly answers).
        """
        return _OPEN[self.kind](self)


Opened = tuple[Callable[[Sequence[bytes]], object], str]


def _folder(target: Target) -> Opened:
    from verify.engines.predictor import PredictorEngine

    engine = PredictorEngine(target.where, target.backend)  # type: ignore[arg-type]  # parsed
    return engine.answer, engine.description


def _v1(target: Target) -> Opened:
    from deepbird_v2.data import decode_batch
    from verify.engines.oracle import OracleEngine

    engine = OracleEngine.load(target.where, features=target.features)
    return (lambda r: engine.predict(decode_batch(r, engine.features))), "the oracle, in NumPy"


def _endpoint(target: Target) -> Opened:
    from verify.engines.service import ServiceEngine

    engine = ServiceEngine(target.where)
    return engine.answer, "a Thrift endpoint"


_OPEN: dict[str, Callable[[Target], Opened]] = {
    "folder": _folder,
    "v1": _v1,
    "endpoint": _endpoint,
}
