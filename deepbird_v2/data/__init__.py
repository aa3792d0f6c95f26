"""DataRecords: from Thrift bytes to columns and back.

Importing this package loads NumPy, never TensorFlow; the tf.data adapter is
`deepbird_v2.data.dataset`.
"""

from __future__ import annotations

from deepbird_v2.data.backend import backend
from deepbird_v2.data.batch import Batch
from deepbird_v2.data.block_format import open_records, read_records, write_records
from deepbird_v2.data.config import FeatureConfig
from deepbird_v2.data.decode import decode_batch, decode_requests
from deepbird_v2.data.errors import ContainerError, DataError, DecodeError
from deepbird_v2.data.feature_ids import discrete_keys, feature_id, feature_ids, string_keys
from deepbird_v2.data.features import DecodeMode, Feature, FeatureKind, Split
from deepbird_v2.data.idl import idl_path
from deepbird_v2.data.records import RecordBuffer
from deepbird_v2.data.responses import (
    Predictions,
    decode_predictions,
    encode_batch_response,
    encode_predictions,
    encode_response,
)

__all__ = [
    "Batch",
    "ContainerError",
    "DataError",
    "DecodeError",
    "DecodeMode",
    "Feature",
    "FeatureConfig",
    "FeatureKind",
    "Predictions",
    "RecordBuffer",
    "Split",
    "backend",
    "decode_batch",
    "decode_predictions",
    "decode_requests",
    "discrete_keys",
    "encode_batch_response",
    "encode_predictions",
    "encode_response",
    "feature_id",
    "feature_ids",
    "idl_path",
    "open_records",
    "read_records",
    "string_keys",
    "write_records",
]
