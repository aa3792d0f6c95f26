// One DataRecord into columns; the Python twin is _fallback.py.
#pragma once

#include "columns.h"
#include "cursor.h"
#include "plan.h"

namespace deepbird {

// Where a record's labels and weights go.
struct Row {
  float* labels;
  float* weights;
};

class RecordReader {
 public:
  RecordReader(const Plan& plan, bool strict) : plan_(plan), strict_(strict) {}

  // Reads up to the record's stop byte. Throws Failure.
  void read(Cursor& cursor, Columns& out, Row row);

  int64_t unknown = 0;  // fields and containers skipped

 private:
  void field(Cursor& cursor, Columns& out, Row row, int number);
  int32_t list(Cursor& cursor, const char* what, uint8_t element);
  int32_t map(Cursor& cursor, const char* what, uint8_t key, uint8_t value);
  void binary(Cursor& cursor, Columns& out, Row row);
  void continuous(Cursor& cursor, Columns& out, Row row);
  void discrete(Cursor& cursor, Columns& out);
  void string(Cursor& cursor, Columns& out);
  void sparse_binary(Cursor& cursor, Columns& out);
  void sparse_continuous(Cursor& cursor, Columns& out);
  void blobs(Cursor& cursor);
  void tensors(Cursor& cursor, bool sparse);
  void claim(const Role& role, uint8_t kind, double value, Row row) const;

  const Plan& plan_;
  const bool strict_;
};

}  // namespace deepbird
