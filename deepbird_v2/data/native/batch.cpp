#include "batch.h"

#include <algorithm>
#include <limits>

#include "record.h"

namespace deepbird {
namespace {

// A record of typical features takes at least this many bytes a feature.
constexpr int64_t kBytesPerFeature = 16;

void fill_row(const Decoded& from, const Plan& plan, Row row) {
  std::copy_n(from.labels.get(), plan.n_labels, row.labels);
  std::copy_n(from.weights.get(), plan.n_weights, row.weights);
}

void init_row(const Plan& plan, Row row) {
  std::fill_n(row.labels, plan.n_labels, std::numeric_limits<float>::quiet_NaN());
  std::fill_n(row.weights, plan.n_weights, 0.0f);
}

}  // namespace

Decoded decode(const std::vector<Span>& records, const std::optional<Span>& common,
               const Plan& plan, bool strict, bool skip_bad) {
  RecordReader reader(plan, strict);
  const auto n = static_cast<int64_t>(records.size());
  Decoded out;
  out.row_splits = Column<int64_t>(n + 1);
  out.labels = Column<float>(n * plan.n_labels);
  out.weights = Column<float>(n * plan.n_weights);
  out.columns.set_capacity(0);
  out.row_splits.get()[0] = 0;

  // One row that holds what every row begins with.
  Decoded first;
  first.labels = Column<float>(plan.n_labels);
  first.weights = Column<float>(plan.n_weights);
  init_row(plan, {first.labels.get(), first.weights.get()});
  if (common) {
    Cursor cursor(common->begin, common->end);
    try {
      reader.read(cursor, first.columns, {first.labels.get(), first.weights.get()});
    } catch (const Failure& failure) {
      out.errors.push_back({-1, failure.offset, failure.reason});
      return out;
    }
  }

  int64_t bytes = 0;
  for (const Span& record : records) bytes += record.end - record.begin;
  out.columns.set_capacity(bytes / kBytesPerFeature + n * first.columns.size + 64);
  for (int64_t i = 0; i < n; ++i) {
    const Row row{out.labels.get() + out.rows * plan.n_labels,
                  out.weights.get() + out.rows * plan.n_weights};
    fill_row(first, plan, row);
    const int64_t size = out.columns.size;
    const int64_t unknown = reader.unknown;
    out.columns.append(first.columns);
    Cursor cursor(records[i].begin, records[i].end);
    try {
      reader.read(cursor, out.columns, row);
    } catch (const Failure& failure) {
      out.errors.push_back({i, failure.offset, failure.reason});
      out.columns.size = size;
      reader.unknown = unknown;
      if (!skip_bad) break;
      continue;
    }
    out.row_splits.get()[++out.rows] = out.columns.size;
  }
  out.columns.trim();
  out.unknown = reader.unknown;
  return out;
}

namespace {

[[noreturn]] void bad_field(const Cursor& cursor, const uint8_t* at, int number, uint8_t type) {
  if (number != 1 && number != 2) {
    cursor.fail(at, "unknown field " + std::to_string(number) + " of type " +
                        std::to_string(type) + " in BatchPredictionRequest");
  }
  const int wanted = number == 1 ? kList : kStruct;
  cursor.fail(at, "request field " + std::to_string(number) + ": type " + std::to_string(type) +
                      ", expected " + std::to_string(wanted));
}

void read_list(Cursor& cursor, RequestSpans& out, bool strict, int64_t& record) {
  const ListHeader header = cursor.list_header();
  if (header.element != kStruct && (strict || header.count)) {
    cursor.fail(header.at, "request field 1 element: type " + std::to_string(header.element) +
                               ", expected 12");
  }
  cursor.check_count(header.count, 1, header.at);
  out.starts.clear();
  out.ends.clear();
  for (int32_t i = 0; i < header.count; ++i) {
    record = i;
    const int64_t begin = cursor.offset();
    cursor.skip(kStruct);
    out.starts.push_back(begin);
    out.ends.push_back(cursor.offset());
  }
  record = -1;
}

}  // namespace

RequestSpans request_spans(Span request, bool strict) {
  RequestSpans out;
  Cursor cursor(request.begin, request.end);
  int64_t record = -1;
  bool listed = false;
  try {
    for (;;) {
      const uint8_t* at = cursor.pos();
      const uint8_t type = cursor.u8("field type");
      if (type == kStop) {
        if (strict && !listed) cursor.fail(at, "BatchPredictionRequest lacks field 1");
        return out;
      }
      const int number = cursor.field_id();
      if (number == 2 && type == kStruct) {
        const int64_t begin = cursor.offset();
        cursor.skip(kStruct);
        out.common = {begin, cursor.offset()};
      } else if (number == 1 && type == kList) {
        read_list(cursor, out, strict, record);
        listed = true;
      } else if (strict) {
        bad_field(cursor, at, number, type);
      } else {
        cursor.skip(type);
      }
    }
  } catch (const Failure& failure) {
    out.error = RecordError{record, failure.offset, failure.reason};
  }
  return out;
}

}  // namespace deepbird
