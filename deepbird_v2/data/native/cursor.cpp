#include "cursor.h"

namespace deepbird {

void Cursor::truncated(int64_t size, const char* what) const {
  fail(pos_, std::string("truncated: ") + what + " needs " + std::to_string(size) + " bytes, " +
                 std::to_string(remain()) + " remain");
}

void Cursor::bad_length(const uint8_t* at, int32_t size) const {
  if (size < 0) fail(at, "negative length " + std::to_string(size));
  fail(at, "length " + std::to_string(size) + " exceeds the " + std::to_string(remain()) +
               " bytes that remain");
}

void Cursor::bad_count(const uint8_t* at, int32_t count) const {
  if (count < 0) fail(at, "negative count " + std::to_string(count));
  fail(at, "count " + std::to_string(count) + " cannot fit in the " + std::to_string(remain()) +
               " bytes that remain");
}

void Cursor::check_type(uint8_t type, const uint8_t* at) const {
  if (min_size(type) == 0) fail(at, "unknown type code " + std::to_string(type));
}

void Cursor::skip(uint8_t type, int depth) {
  if (depth > kMaxDepth) fail(pos_, "nesting deeper than " + std::to_string(kMaxDepth));
  if (const int64_t size = fixed_size(type)) {
    need(size, "value");
    return;
  }
  switch (type) {
    case kString:
      text();
      return;
    case kStruct:
      while (const uint8_t field = u8("field type")) {
        need(2, "field id");
        skip(field, depth + 1);
      }
      return;
    case kMap:
      skip_map(map_header(), depth);
      return;
    case kSet:
    case kList:
      skip_list(list_header(), depth);
      return;
    default:
      fail(pos_, "unknown type code " + std::to_string(type));
  }
}

void Cursor::skip_list(const ListHeader& header, int depth) {
  if (header.count == 0) return;
  check_type(header.element, header.at);
  check_count(header.count, min_size(header.element), header.at);
  if (const int64_t size = fixed_size(header.element)) {
    advance(header.count * size);
    return;
  }
  for (int32_t i = 0; i < header.count; ++i) skip(header.element, depth + 1);
}

void Cursor::skip_map(const MapHeader& header, int depth) {
  if (header.count == 0) return;
  check_type(header.key, header.at);
  check_type(header.value, header.at);
  check_count(header.count, min_size(header.key) + min_size(header.value), header.at);
  if (fixed_size(header.key) && fixed_size(header.value)) {
    advance(header.count * (fixed_size(header.key) + fixed_size(header.value)));
    return;
  }
  for (int32_t i = 0; i < header.count; ++i) {
    skip(header.key, depth + 1);
    skip(header.value, depth + 1);
  }
}

}  // namespace deepbird
