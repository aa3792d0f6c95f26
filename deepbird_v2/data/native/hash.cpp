#include "hash.h"

#include <stdexcept>
#include <string>

namespace deepbird {
namespace {

constexpr uint64_t kC1 = 0x87c37b91114253d5ULL;
constexpr uint64_t kC2 = 0x4cf5ad432745937fULL;

uint64_t rotl(uint64_t x, int r) { return (x << r) | (x >> (64 - r)); }

uint64_t fmix(uint64_t k) {
  k = (k ^ (k >> 33)) * 0xff51afd7ed558ccdULL;
  k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return k ^ (k >> 33);
}

uint64_t load_le(const char* p, int64_t size) {
  uint64_t v = 0;
  for (int64_t i = size; i-- > 0;) v = (v << 8) | static_cast<uint8_t>(p[i]);
  return v;
}

// First half of MurmurHash3_x64_128 with seed 0.
uint64_t murmur3(const std::string& data) {
  const auto size = static_cast<int64_t>(data.size());
  const int64_t whole = size & ~int64_t{15};
  uint64_t h1 = 0, h2 = 0;
  for (int64_t at = 0; at < whole; at += 16) {
    h1 ^= rotl(load_le(&data[at], 8) * kC1, 31) * kC2;
    h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= rotl(load_le(&data[at + 8], 8) * kC2, 33) * kC1;
    h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  const char* tail = data.data() + whole;
  const int64_t rest = size - whole;
  h2 ^= rotl(load_le(tail + 8, rest > 8 ? rest - 8 : 0) * kC2, 33) * kC1;
  h1 ^= rotl(load_le(tail, rest > 8 ? 8 : rest) * kC1, 31) * kC2;
  h1 ^= static_cast<uint64_t>(size);
  h2 ^= static_cast<uint64_t>(size);
  h1 += h2;
  h2 += h1;
  return fmix(h1) + fmix(h2);
}

void put_unit(std::string& out, uint32_t unit) {
  out.push_back(static_cast<char>(unit & 0xff));
  out.push_back(static_cast<char>(unit >> 8));
}

// Appends UTF-8 as UTF-16LE; overlong forms are accepted.
void append_utf16(std::string& out, Text text) {
  for (int64_t at = 0; at < text.size;) {
    const uint8_t lead = text.data[at];
    const int extra = lead < 0x80              ? 0
                      : (lead & 0xe0) == 0xc0 ? 1
                      : (lead & 0xf0) == 0xe0 ? 2
                      : (lead & 0xf8) == 0xf0 ? 3
                                              : -1;
    uint32_t code = extra > 0 ? lead & (0x3f >> extra) : lead;
    bool good = extra >= 0 && at + extra < text.size;
    for (int i = 1; good && i <= extra; ++i) {
      const uint8_t byte = text.data[at + i];
      good = (byte & 0xc0) == 0x80;
      code = code << 6 | (byte & 0x3f);
    }
    if (!good || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) {
      throw std::invalid_argument("invalid UTF-8 at byte " + std::to_string(at));
    }
    if (code >= 0x10000) {
      put_unit(out, 0xd800 + ((code - 0x10000) >> 10));
      put_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    } else {
      put_unit(out, code);
    }
    at += 1 + extra;
  }
}

}  // namespace

int64_t name_hash(Text name) {
  if (name.size == 0) return 0;
  const void* found = std::memchr(name.data, '#', static_cast<size_t>(name.size));
  const int64_t separator = found ? static_cast<const uint8_t*>(found) - name.data : 0;
  std::string units;
  if (separator > 0) {
    append_utf16(units, {name.data, separator});
    const uint64_t family = murmur3(units);
    units.clear();
    for (int i = 0; i < 8; ++i) units.push_back(static_cast<char>(family >> (8 * i)));
    append_utf16(units, {name.data + separator + 1, name.size - separator - 1});
  } else {
    append_utf16(units, name);
  }
  return static_cast<int64_t>(murmur3(units));
}

}  // namespace deepbird
