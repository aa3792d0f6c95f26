// Feature ids and string hashes; the Python twins are _murmur.py and _jhash.py.
#pragma once

#include <cstdint>

#include "cursor.h"

namespace deepbird {

// h = 31 * h + byte, wrapped to a signed 32-bit integer and widened.
inline int64_t jhash(Text text) {
  uint32_t h = 0;
  for (int64_t i = 0; i < text.size; ++i) h = 31 * h + text.data[i];
  return static_cast<int32_t>(h);
}

// The id of a feature name in UTF-8. Throws std::invalid_argument if it is not UTF-8.
int64_t name_hash(Text name);

}  // namespace deepbird
