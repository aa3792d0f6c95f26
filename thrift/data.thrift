// DataRecord: the features of one example, keyed by feature id (a 64-bit hash of the name).
include "tensor.thrift"

namespace java com.twitter.ml.api.thriftjava
namespace py deepbird.ml.api

enum FeatureType {
  BINARY = 1,
  CONTINUOUS = 2,
  DISCRETE = 3,
  STRING = 4,
  SPARSE_BINARY = 5,
  SPARSE_CONTINUOUS = 6,
  UNKNOWN = 7,
  BLOB = 8,
  TENSOR = 9,
  SPARSE_TENSOR = 10
}

// An id in binaryFeatures means 1; there is no explicit 0. A missing continuous id is missing, not 0.
struct DataRecord {
  1: optional set<i64> binaryFeatures
  2: optional map<i64, double> continuousFeatures
  3: optional map<i64, i64> discreteFeatures
  4: optional map<i64, string> stringFeatures
  5: optional map<i64, set<string>> sparseBinaryFeatures
  6: optional map<i64, map<string, double>> sparseContinuousFeatures
  7: optional map<i64, binary> blobFeatures
  8: optional map<i64, tensor.GeneralTensor> tensors
  9: optional map<i64, tensor.SparseTensor> sparseTensors
}

struct TensorRecord {
  1: optional map<i64, tensor.GeneralTensor> tensors
  2: optional map<i64, tensor.SparseTensor> sparseTensors
}

// Continuous values are float32 bit patterns in an i32.
struct CompactDataRecord {
  1: optional set<i64> binaryFeatures
  2: optional map<i64, i32> continuousFeatures
  3: optional map<i64, i64> discreteFeatures
  4: optional map<i64, string> stringFeatures
  5: optional map<i64, set<string>> sparseBinaryFeatures
  6: optional map<i64, set<i16>> sparseBinaryFeaturesWith16bSparseKey
  7: optional map<i64, set<i32>> sparseBinaryFeaturesWith32bSparseKey
  8: optional map<i64, set<i64>> sparseBinaryFeaturesWith64bSparseKey
  9: optional map<i64, map<string, i32>> sparseContinuousFeatures
  10: optional map<i64, map<i16, i32>> sparseContinuousFeaturesWith16bSparseKey
  11: optional map<i64, map<i32, i32>> sparseContinuousFeaturesWith32bSparseKey
  12: optional map<i64, map<i64, i32>> sparseContinuousFeaturesWith64bSparseKey
  13: optional map<i64, binary> blobFeatures
  14: optional map<i64, tensor.GeneralTensor> tensors
  15: optional map<i64, tensor.SparseTensor> sparseTensors
}

struct FeatureMetaInfo {
  1: optional i64 featureId
  2: optional string fullFeatureName
  3: optional FeatureType featureType
}

struct FeatureMetaInfoList {
  1: optional list<FeatureMetaInfo> contents
}
