// Memory for columns. Fresh pages cost more than decoding into them, so large blocks that NumPy
// gives back are kept for the next batch: at most kRetained bytes in all, shared by all threads.
#pragma once

#include <cstddef>

namespace deepbird {

constexpr size_t kRetained = size_t{128} << 20;

// At least `bytes` bytes, 64-byte aligned. Throws std::bad_alloc.
void* block_alloc(size_t bytes);

// Takes back what block_alloc returned; nullptr is fine.
void block_free(void* data) noexcept;

}  // namespace deepbird
