// LZO1X decompression, bounded on both sides; the Python twin is _lzo1x.py, which explains it.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace deepbird {

struct LzoError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Decompresses into out, at most `capacity` bytes; returns how many. Throws LzoError.
int64_t lzo1x_decompress(const uint8_t* data, int64_t size, uint8_t* out, int64_t capacity);

}  // namespace deepbird
