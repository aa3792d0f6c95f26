// Many records into one set of columns, and the records of a batch request.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "columns.h"
#include "cursor.h"
#include "plan.h"

namespace deepbird {

struct Span {
  const uint8_t* begin;
  const uint8_t* end;
};

// record is -1 for the common features or the envelope.
struct RecordError {
  int64_t record;
  int64_t offset;
  std::string reason;
};

struct Decoded {
  Column<int64_t> row_splits;  // rows + 1
  Columns columns;
  Column<float> labels;   // rows x n_labels
  Column<float> weights;  // rows x n_weights
  int64_t rows = 0;
  int64_t unknown = 0;
  std::vector<RecordError> errors;
};

// Decodes every record, the common features first in every row.
Decoded decode(const std::vector<Span>& records, const std::optional<Span>& common,
               const Plan& plan, bool strict, bool skip_bad);

struct RequestSpans {
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  std::optional<std::pair<int64_t, int64_t>> common;
  std::optional<RecordError> error;
};

// Finds the records of an encoded BatchPredictionRequest.
RequestSpans request_spans(Span request, bool strict);

}  // namespace deepbird
