#include "record.h"

#include <cmath>
#include <stdexcept>

#include "hash.h"
#include "tensor_walk.h"

namespace deepbird {
namespace {

constexpr int64_t kPair = 16;

enum Kind : uint8_t {
  kBinary = 1,
  kContinuous = 2,
  kDiscrete = 3,
  kStringKind = 4,
  kSparseBinary = 5,
  kSparseContinuous = 6,
};

int64_t discrete_key(int64_t id, int64_t value) {
  const uint64_t mixed = (17 + static_cast<uint64_t>(value)) * 2654435761ULL;
  return static_cast<int64_t>(static_cast<uint64_t>(id) ^ mixed);
}

[[noreturn, gnu::cold]] void wrong_type(const Cursor& cursor, const uint8_t* at,
                                        const std::string& what, int got, int wanted) {
  cursor.fail(at,
              what + ": type " + std::to_string(got) + ", expected " + std::to_string(wanted));
}

}  // namespace

void RecordReader::read(Cursor& cursor, Columns& out, Row row) {
  for (;;) {
    const uint8_t* at = cursor.pos();
    const uint8_t type = cursor.u8("field type");
    if (type == kStop) return;
    const int number = cursor.field_id();
    const bool known = number >= 1 && number <= 9;
    const uint8_t wanted = number == 1 ? kSet : kMap;
    if (known && type == wanted) {
      field(cursor, out, row, number);
      continue;
    }
    if (strict_ && !known) {
      cursor.fail(at, "unknown field " + std::to_string(number) + " of type " +
                          std::to_string(type) + " in DataRecord");
    }
    if (strict_) {
      wrong_type(cursor, at, "DataRecord field " + std::to_string(number), type, wanted);
    }
    ++unknown;
    cursor.skip(type);
  }
}

void RecordReader::field(Cursor& cursor, Columns& out, Row row, int number) {
  switch (number) {
    case kBinary:
      return binary(cursor, out, row);
    case kContinuous:
      return continuous(cursor, out, row);
    case kDiscrete:
      return discrete(cursor, out);
    case kStringKind:
      return string(cursor, out);
    case kSparseBinary:
      return sparse_binary(cursor, out);
    case kSparseContinuous:
      return sparse_continuous(cursor, out);
    case 7:
      return blobs(cursor);
    default:
      return tensors(cursor, number == 9);
  }
}

// Reads and checks a header; returns the count, 0 for a container that was skipped.
int32_t RecordReader::list(Cursor& cursor, const char* what, uint8_t element) {
  const ListHeader header = cursor.list_header();
  if (header.element != element) {
    if (strict_) {
      wrong_type(cursor, header.at, std::string(what) + " element", header.element, element);
    }
    if (header.count) ++unknown;
    cursor.skip_list(header, 1);
    return 0;
  }
  cursor.check_count(header.count, min_size(element), header.at);
  return header.count;
}

int32_t RecordReader::map(Cursor& cursor, const char* what, uint8_t key, uint8_t value) {
  const MapHeader header = cursor.map_header();
  if (header.key != key || header.value != value) {
    if (strict_ && header.key != key) {
      wrong_type(cursor, header.at, std::string(what) + " key", header.key, key);
    }
    if (strict_) {
      wrong_type(cursor, header.at, std::string(what) + " value", header.value, value);
    }
    if (header.count) ++unknown;
    cursor.skip_map(header, 1);
    return 0;
  }
  cursor.check_count(header.count, min_size(key) + min_size(value), header.at);
  return header.count;
}

// A feature that is not kept may be a label, or else a weight.
void RecordReader::claim(const Role& role, uint8_t kind, double value, Row row) const {
  if (role.label) {
    row.labels[role.label - 1] = static_cast<float>(value);
  } else if (role.weight && kind == kContinuous) {
    row.weights[role.weight - 1] = static_cast<float>(value);
  }
}

void RecordReader::binary(Cursor& cursor, Columns& out, Row row) {
  const int32_t count = list(cursor, "DataRecord field 1", kI64);
  out.reserve(count);
  const uint8_t* at = cursor.pos();
  for (int32_t i = 0; i < count; ++i, at += 8) {
    const int64_t id = load_i64(at);
    const Role& role = plan_.find(id);
    if (role.keep) {
      out.put(id, 1.0, id, kBinary);
    } else {
      claim(role, kBinary, 1.0, row);
    }
  }
  cursor.advance(count * int64_t{8});
}

void RecordReader::continuous(Cursor& cursor, Columns& out, Row row) {
  const int32_t count = map(cursor, "DataRecord field 2", kI64, kDouble);
  out.reserve(count);
  // Local copies: a store through kind, a byte pointer, could otherwise change any of them.
  int64_t* __restrict key = out.key.get() + out.size;
  double* __restrict value = out.value.get() + out.size;
  int64_t* __restrict field = out.field.get() + out.size;
  uint8_t* __restrict kind = out.kind.get() + out.size;
  const bool drop_nan = plan_.drop_nan;
  const uint8_t* at = cursor.pos();
  int64_t n = 0;
  for (int32_t i = 0; i < count; ++i, at += kPair) {
    const int64_t id = load_i64(at);
    const double v = load_double(at + 8);
    const Role& role = plan_.find(id);
    if (__builtin_expect(role.keep, 1)) {
      // Written in any case, kept by stepping on.
      key[n] = id;
      value[n] = v;
      field[n] = id;
      kind[n] = kContinuous;
      n += !(drop_nan & (v != v));
    } else {
      claim(role, kContinuous, v, row);
    }
  }
  out.size += n;
  cursor.advance(count * kPair);
}

void RecordReader::discrete(Cursor& cursor, Columns& out) {
  const int32_t count = map(cursor, "DataRecord field 3", kI64, kI64);
  out.reserve(count);
  const uint8_t* at = cursor.pos();
  for (int32_t i = 0; i < count; ++i, at += kPair) {
    const int64_t id = load_i64(at);
    if (plan_.find(id).keep) out.put(discrete_key(id, load_i64(at + 8)), 1.0, id, kDiscrete);
  }
  cursor.advance(count * kPair);
}

void RecordReader::string(Cursor& cursor, Columns& out) {
  const int32_t count = map(cursor, "DataRecord field 4", kI64, kString);
  out.reserve(count);
  for (int32_t i = 0; i < count; ++i) {
    const int64_t id = cursor.i64("map key");
    const Text text = cursor.text();
    if (plan_.find(id).keep) out.put(id ^ jhash(text), 1.0, id, kStringKind);
  }
}

void RecordReader::sparse_binary(Cursor& cursor, Columns& out) {
  const int32_t features = map(cursor, "DataRecord field 5", kI64, kSet);
  for (int32_t f = 0; f < features; ++f) {
    const int64_t id = cursor.i64("map key");
    const int32_t count = list(cursor, "DataRecord field 5 set", kString);
    const bool keep = plan_.find(id).keep;
    if (keep) out.reserve(count);
    for (int32_t i = 0; i < count; ++i) {
      const Text text = cursor.text();
      if (keep) out.put(id ^ jhash(text), 1.0, id, kSparseBinary);
    }
  }
}

void RecordReader::sparse_continuous(Cursor& cursor, Columns& out) {
  const int32_t features = map(cursor, "DataRecord field 6", kI64, kMap);
  for (int32_t f = 0; f < features; ++f) {
    const int64_t id = cursor.i64("map key");
    const int32_t count = map(cursor, "DataRecord field 6 map", kString, kDouble);
    const bool keep = plan_.find(id).keep;
    if (keep) out.reserve(count);
    for (int32_t i = 0; i < count; ++i) {
      const uint8_t* at = cursor.pos();
      const Text name = cursor.text();
      const double value = cursor.f64("value");
      if (!keep || (plan_.drop_nan && std::isnan(value))) continue;
      int64_t key = id;
      if (plan_.name_only) {
        try {
          key = name_hash(name);
        } catch (const std::invalid_argument&) {
          cursor.fail(at, "sparse feature name is not valid UTF-8");
        }
      } else {
        key ^= jhash(name);
      }
      out.put(key, value, id, kSparseContinuous);
    }
  }
}

void RecordReader::blobs(Cursor& cursor) {
  const int32_t count = map(cursor, "DataRecord field 7", kI64, kString);
  for (int32_t i = 0; i < count; ++i) {
    cursor.need(8, "map key");
    cursor.text();
  }
}

void RecordReader::tensors(Cursor& cursor, bool sparse) {
  const int32_t count =
      map(cursor, sparse ? "DataRecord field 9" : "DataRecord field 8", kI64, kStruct);
  for (int32_t i = 0; i < count; ++i) {
    cursor.need(8, "map key");
    if (!strict_) {
      cursor.skip(kStruct);
    } else if (sparse) {
      walk_sparse_tensor(cursor);
    } else {
      walk_general_tensor(cursor);
    }
  }
}

}  // namespace deepbird
