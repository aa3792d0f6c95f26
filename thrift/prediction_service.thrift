// The prediction service: DataRecords in, DataRecords out.
include "data.thrift"

namespace java com.twitter.ml.prediction_service
namespace py deepbird.ml.prediction_service

exception PredictionServiceException {
  1: string description
}

struct PredictionRequest {
  1: required data.DataRecord features
}

struct PredictionResponse {
  1: required data.DataRecord prediction
}

// commonFeatures belong to every record of the list.
struct BatchPredictionRequest {
  1: required list<data.DataRecord> individualFeaturesList
  2: optional data.DataRecord commonFeatures
}

struct BatchPredictionResponse {
  1: required list<data.DataRecord> predictions
}

struct DataRecordPair {
  1: optional data.DataRecord first
  2: optional data.DataRecord second
}

struct PredictionTrainingExample {
  1: optional data.DataRecord features
  2: optional DataRecordPair featuresForPairwiseLearning
  3: optional data.CompactDataRecord compactFeatures
  4: optional binary compressedDataRecord
}

service PredictionService {
  PredictionResponse getPrediction(1: PredictionRequest request)
    throws (1: PredictionServiceException error)
  BatchPredictionResponse getBatchPrediction(1: BatchPredictionRequest batchRequest)
    throws (1: PredictionServiceException error)
}
