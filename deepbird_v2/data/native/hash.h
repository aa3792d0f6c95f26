// Feature ids and string hashes; the Python twins are _murmur.py and _jhash.py.
#pragma once

#include <cstdint>

#include "cursor.h"

namespace deepbird {

// h = 31 * h + byte, wrapped to a signed 32-bit integer and widened.
inline int64_t jhash(Text text) {
  const uint8_t* p = text.data;
  const uint8_t* end = p + text.size;
  uint32_t h = 0;
  // Four bytes a step: the multiplications no longer wait for each other.
  for (; end - p >= 4; p += 4) {
    h = 923521 * h + (29791u * p[0] + 961u * p[1] + 31u * p[2] + p[3]);
  }
  for (; p < end; ++p) h = 31 * h + *p;
  return static_cast<int32_t>(h);
}

// The id of a feature name in UTF-8. Throws std::invalid_argument if it is not UTF-8.
int64_t name_hash(Text name);

}  // namespace deepbird
