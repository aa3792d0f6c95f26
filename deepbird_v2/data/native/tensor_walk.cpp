#include "tensor_walk.h"

namespace deepbird {
namespace {

struct TypedList {
  const char* name;
  uint8_t element;
};
// By union field; 0 and 1 (RawTypedTensor) are not typed lists.
constexpr TypedList kTyped[] = {
    {nullptr, 0},          {nullptr, 0},          {"StringTensor", kString},
    {"Int32Tensor", kI32}, {"Int64Tensor", kI64}, {"FloatTensor", kDouble},
    {"DoubleTensor", kDouble}, {"BoolTensor", kBool},
};
constexpr int kInt64Tensor = 4;
constexpr int kRawString = 5;
constexpr int kRawByte = 6;
constexpr int kRawLast = 7;

void expect(const Cursor& cursor, const uint8_t* at, const std::string& what, uint8_t got,
            uint8_t wanted) {
  if (got != wanted) {
    cursor.fail(at, what + ": type " + std::to_string(got) + ", expected " +
                        std::to_string(wanted));
  }
}

std::string field_name(const char* name, int field) {
  return std::string(name) + " field " + std::to_string(field);
}

void walk_list(Cursor& cursor, const char* name, int field, uint8_t element) {
  const ListHeader header = cursor.list_header();
  if (header.element != element) {
    expect(cursor, header.at, field_name(name, field) + " element", header.element, element);
  }
  cursor.check_count(header.count, min_size(element), header.at);
  if (element == kString) {
    for (int32_t i = 0; i < header.count; ++i) cursor.text();
  } else {
    cursor.advance(header.count * fixed_size(element));
  }
}

[[noreturn]] void unknown_field(const Cursor& cursor, const uint8_t* at, int field, uint8_t type,
                                const char* name) {
  cursor.fail(at, "unknown field " + std::to_string(field) + " of type " + std::to_string(type) +
                      " in " + name);
}

int walk_union(Cursor& cursor, const char* name, int last) {
  const uint8_t* at = cursor.pos();
  const uint8_t type = cursor.u8("field type");
  if (type == kStop) cursor.fail(at, std::string(name) + " has no field set");
  const int field = cursor.field_id();
  if (field < 1 || field > last) unknown_field(cursor, at, field, type, name);
  if (type != kStruct) expect(cursor, at, field_name(name, field), type, kStruct);
  return field;
}

void walk_union_end(Cursor& cursor, const char* name) {
  const uint8_t* at = cursor.pos();
  if (cursor.u8("field type") != kStop) {
    cursor.fail(at, std::string(name) + " has more than one field set");
  }
}

// The next field of a struct, 0 at its end; `at` is where it begins.
template <int N>
int walk_field(Cursor& cursor, const char* name, const uint8_t (&types)[N], const uint8_t*& at) {
  at = cursor.pos();
  const uint8_t type = cursor.u8("field type");
  if (type == kStop) return 0;
  const int field = cursor.field_id();
  if (field < 1 || field > N) unknown_field(cursor, at, field, type, name);
  if (type != types[field - 1]) {
    expect(cursor, at, field_name(name, field), type, types[field - 1]);
  }
  return field;
}

[[noreturn]] void lacks(const Cursor& cursor, const uint8_t* at, const char* name, int field) {
  cursor.fail(at, std::string(name) + " lacks field " + std::to_string(field));
}

void walk_typed(Cursor& cursor, const TypedList& list) {
  constexpr uint8_t types[] = {kList, kList};
  const uint8_t* at;
  bool seen = false;
  while (const int field = walk_field(cursor, list.name, types, at)) {
    walk_list(cursor, list.name, field, field == 1 ? list.element : uint8_t{kI64});
    seen |= field == 1;
  }
  if (!seen) lacks(cursor, at, list.name, 1);
}

void walk_raw(Cursor& cursor) {
  constexpr const char* name = "RawTypedTensor";
  constexpr uint8_t types[] = {kI32, kString, kList};
  const uint8_t* at;
  bool seen[4] = {};
  int32_t data_type = 0;
  while (const int field = walk_field(cursor, name, types, at)) {
    if (field == 1) {
      const uint8_t* value_at = cursor.pos();
      data_type = cursor.i32("value");
      if (data_type < 0 || data_type > kRawLast || data_type == kRawByte) {
        cursor.fail(value_at, std::string(name) + " dataType " + std::to_string(data_type) +
                                  " is not supported");
      }
    } else if (field == 2) {
      cursor.text();
    } else {
      walk_list(cursor, name, 3, kI64);
    }
    seen[field] = true;
  }
  for (int field = 1; field <= (data_type == kRawString ? 3 : 2); ++field) {
    if (!seen[field]) lacks(cursor, at, name, field);
  }
}

}  // namespace

void walk_general_tensor(Cursor& cursor) {
  const int field = walk_union(cursor, "GeneralTensor", 7);
  if (field == 1) {
    walk_raw(cursor);
  } else {
    walk_typed(cursor, kTyped[field]);
  }
  walk_union_end(cursor, "GeneralTensor");
}

void walk_sparse_tensor(Cursor& cursor) {
  constexpr const char* name = "COOSparseTensor";
  constexpr uint8_t types[] = {kList, kStruct, kStruct};
  walk_union(cursor, "SparseTensor", 1);
  const uint8_t* at;
  bool seen[4] = {};
  while (const int field = walk_field(cursor, name, types, at)) {
    if (field == 1) {
      walk_list(cursor, name, 1, kI64);
    } else if (field == 2) {
      walk_typed(cursor, kTyped[kInt64Tensor]);
    } else {
      walk_general_tensor(cursor);
    }
    seen[field] = true;
  }
  for (int field = 1; field <= 3; ++field) {
    if (!seen[field]) lacks(cursor, at, name, field);
  }
  walk_union_end(cursor, "SparseTensor");
}

}  // namespace deepbird
