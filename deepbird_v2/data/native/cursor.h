// Thrift's binary protocol, read with every length checked against the bytes that remain.
// The Python twin is _wire.py; both report the same offsets and reasons.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace deepbird {

enum Type : uint8_t {
  kStop = 0,
  kBool = 2,
  kByte = 3,
  kDouble = 4,
  kI16 = 6,
  kI32 = 8,
  kI64 = 10,
  kString = 11,
  kStruct = 12,
  kMap = 13,
  kSet = 14,
  kList = 15,
};

constexpr int kMaxDepth = 64;

// Size of a value whose size its type decides, else 0.
constexpr int64_t fixed_size(uint8_t type) {
  switch (type) {
    case kBool:
    case kByte:
      return 1;
    case kI16:
      return 2;
    case kI32:
      return 4;
    case kDouble:
    case kI64:
      return 8;
    default:
      return 0;
  }
}

// The fewest bytes a value can take; 0 for a type that does not exist.
constexpr int64_t min_size(uint8_t type) {
  switch (type) {
    case kString:
      return 4;
    case kStruct:
      return 1;
    case kMap:
      return 6;
    case kSet:
    case kList:
      return 5;
    default:
      return fixed_size(type);
  }
}

inline int16_t load_i16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return static_cast<int16_t>(__builtin_bswap16(v));
}
inline int32_t load_i32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return static_cast<int32_t>(__builtin_bswap32(v));
}
inline int64_t load_i64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return static_cast<int64_t>(__builtin_bswap64(v));
}
inline double load_double(const uint8_t* p) {
  const int64_t bits = load_i64(p);
  double v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// What is wrong, and how many bytes into the message.
struct Failure {
  int64_t offset;
  std::string reason;
};

struct Text {
  const uint8_t* data;
  int64_t size;
};

struct ListHeader {
  uint8_t element;
  int32_t count;
  const uint8_t* at;
};

struct MapHeader {
  uint8_t key;
  uint8_t value;
  int32_t count;
  const uint8_t* at;
};

class Cursor {
 public:
  Cursor(const uint8_t* begin, const uint8_t* end) : begin_(begin), pos_(begin), end_(end) {}

  const uint8_t* pos() const { return pos_; }
  int64_t offset() const { return pos_ - begin_; }
  int64_t remain() const { return end_ - pos_; }
  void advance(int64_t size) { pos_ += size; }  // only after a check

  [[noreturn, gnu::cold, gnu::noinline]] void fail(const uint8_t* at, std::string reason) const {
    throw Failure{at - begin_, std::move(reason)};
  }

  const uint8_t* need(int64_t size, const char* what) {
    if (__builtin_expect(size > remain(), 0)) truncated(size, what);
    const uint8_t* at = pos_;
    pos_ += size;
    return at;
  }
  uint8_t u8(const char* what) { return *need(1, what); }
  int16_t field_id() { return load_i16(need(2, "field id")); }
  int32_t i32(const char* what) { return load_i32(need(4, what)); }
  int64_t i64(const char* what) { return load_i64(need(8, what)); }
  double f64(const char* what) { return load_double(need(8, what)); }

  Text text() {
    const uint8_t* at = need(4, "string length");
    const int32_t size = load_i32(at);
    if (__builtin_expect(size < 0 || size > remain(), 0)) bad_length(at, size);
    const Text text{pos_, size};
    pos_ += size;
    return text;
  }
  ListHeader list_header() {
    const uint8_t* at = need(5, "container header");
    return {at[0], load_i32(at + 1), at};
  }
  MapHeader map_header() {
    const uint8_t* at = need(6, "container header");
    return {at[0], at[1], load_i32(at + 2), at};
  }
  void check_count(int32_t count, int64_t element_size, const uint8_t* at) const {
    if (__builtin_expect(count < 0 || count * element_size > remain(), 0)) bad_count(at, count);
  }

  void skip(uint8_t type, int depth = 1);
  void skip_list(const ListHeader& header, int depth);
  void skip_map(const MapHeader& header, int depth);

 private:
  [[noreturn, gnu::cold, gnu::noinline]] void truncated(int64_t size, const char* what) const;
  [[noreturn, gnu::cold, gnu::noinline]] void bad_length(const uint8_t* at, int32_t size) const;
  [[noreturn, gnu::cold, gnu::noinline]] void bad_count(const uint8_t* at, int32_t count) const;
  void check_type(uint8_t type, const uint8_t* at) const;

  const uint8_t* begin_;
  const uint8_t* pos_;
  const uint8_t* end_;
};

}  // namespace deepbird
