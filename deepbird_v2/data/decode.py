"""DataRecord bytes straight to columns: no Python object a feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from deepbird_v2.data.backend import backend, core
from deepbird_v2.data.batch import Batch
from deepbird_v2.data.config import FeatureConfig
from deepbird_v2.data.errors import DecodeError
from deepbird_v2.data.features import DecodeMode
from deepbird_v2.data.records import RecordBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SINGLE: Final = b"\x0c\0\1"
OnError = Literal["raise", "skip"]


def decode_batch(
    records: Sequence[bytes] | RecordBuffer,
    config: FeatureConfig,
    *,
    strict: bool = True,
    on_error: OnError = "raise",
) -> Batch:
    """Decode DataRecords into columns, features in wire order.

    NaN features are dropped as if absent; duplicates are all emitted.

    Args:
        records: Encoded DataRecords; bytes after a record's end are ignored.
        config: What to keep.
        strict: Refuse what the published runtime refuses: unknown fields and types. Otherwise
            such fields are skipped and counted in `Batch.unknown_fields`.
        on_error: "raise" at the first bad record, or "skip": leave bad records out and list them
            in `Batch.errors`.

    Raises:
        DecodeError: A record is malformed; names the record and the byte.
    """
    return _run(_decoder(records), config, strict=strict, on_error=on_error)


def decode_requests(
    request: bytes | bytearray | memoryview,
    config: FeatureConfig,
    *,
    strict: bool = True,
    on_error: OnError = "raise",
) -> Batch:
    """Decode a BatchPredictionRequest: one row an individual record.

    The common features open every row. A label or weight among them holds for every row that has
    none of its own.

    Args:
        request: The encoded request.
        config: What to keep.
        strict: See `decode_batch`.
        on_error: See `decode_batch`; errors of the envelope and of the common features always
            raise.

    Raises:
        DecodeError: Offsets count from the start of the record, or, for the envelope, of the
            request; the common features count as record None.
    """
    request = bytes(request)
    starts, ends, common, error = core().request_spans(request, strict)
    if error is not None:
        raise _error(error)

    def run(plan: Any, strict: bool, skip_bad: bool) -> Any:
        return core().decode_spans(request, starts, ends, common, plan, strict, skip_bad)

    return _run(run, config, strict=strict, on_error=on_error)


def decode_request(
    request: bytes | bytearray | memoryview, config: FeatureConfig, *, strict: bool = True
) -> Batch:
    """Decode a PredictionRequest into a batch of one row.

    Args:
        request: The encoded request; its record must come first.
        config: What to keep.
        strict: See `decode_batch`.

    Raises:
        DecodeError: No PredictionRequest, or a malformed record.
    """
    request = bytes(request)
    if not request.startswith(_SINGLE):
        raise DecodeError(None, 0, "a PredictionRequest begins with its record, 0c 00 01")
    start, end = np.array([[len(_SINGLE)], [len(request)]], np.int64)
    return decode_batch(RecordBuffer(request, start, end), config, strict=strict)


def make_plan(config: FeatureConfig) -> Any:
    """The core's form of a config, made once a config."""
    plan = config.plans.get(backend())
    if plan is None:
        plan = config.plans[backend()] = core().Plan(
            np.array(config.ids, np.int64),
            np.array([f.id for f in config.labels], np.int64),
            np.array([f.id for f in config.weights], np.int64),
            config.decode_mode == DecodeMode.VALUE_NAME,
            True,
        )
    return plan


def _decoder(records: Sequence[bytes] | RecordBuffer) -> Callable[[Any, bool, bool], Any]:
    if isinstance(records, RecordBuffer):

        def spans(plan: Any, strict: bool, skip_bad: bool) -> Any:
            return core().decode_spans(
                records.data, records.starts, records.ends, None, plan, strict, skip_bad
            )

        return spans

    def listed(plan: Any, strict: bool, skip_bad: bool) -> Any:
        return core().decode_list(list(records), plan, strict, skip_bad)

    return listed


def _run(
    decoder: Callable[[Any, bool, bool], Any],
    config: FeatureConfig,
    *,
    strict: bool,
    on_error: OnError,
) -> Batch:
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is 'raise' or 'skip', not {on_error!r}")
    splits, key, value, field, kind, labels, weights, unknown, errors = decoder(
        make_plan(config), strict, on_error == "skip"
    )
    found = tuple(_error(error) for error in errors)
    if found and (on_error == "raise" or found[0].record is None):
        raise found[0]
    if not np.isnan(config.default_label):
        labels[np.isnan(labels)] = config.default_label
    return Batch(splits, key, value, field, kind, labels, weights, unknown, found)


def _error(error: tuple[int, int, str]) -> DecodeError:
    record, offset, reason = error
    return DecodeError(None if record < 0 else record, offset, reason)
