#include "block.h"

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace deepbird {
namespace {

constexpr size_t kHeader = 64;
constexpr size_t kLarge = size_t{256} << 10;  // smaller blocks: malloc reuses them well
constexpr size_t kHugePage = size_t{2} << 20;

struct Header {
  size_t capacity;  // with the header
};

class Pool {
 public:
  // A retained block that fits and wastes no more than half of itself, or nullptr.
  void* take(size_t capacity) {
    const std::lock_guard lock(mutex_);
    const auto found = free_.lower_bound(capacity);
    if (found == free_.end() || found->first > 2 * capacity) return nullptr;
    void* block = found->second;
    retained_ -= found->first;
    free_.erase(found);
    return block;
  }
  // Whether the pool keeps the block.
  bool give(void* block, size_t capacity) noexcept try {
    const std::lock_guard lock(mutex_);
    if (retained_ + capacity > kRetained) return false;
    free_.emplace(capacity, block);
    retained_ += capacity;
    return true;
  } catch (...) {
    return false;
  }

 private:
  std::mutex mutex_;
  std::multimap<size_t, void*> free_;
  size_t retained_ = 0;
};

// Never destroyed: arrays may be freed while the process ends.
Pool& pool() {
  static Pool& instance = *new Pool;
  return instance;
}

}  // namespace

void* block_alloc(size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  size_t capacity = (bytes + kHeader + kHeader - 1) & ~(kHeader - 1);
  void* block = nullptr;
  if (capacity >= kLarge) {
    capacity = (capacity + kLarge - 1) & ~(kLarge - 1);
    if ((block = pool().take(capacity))) return static_cast<char*>(block) + kHeader;
  }
  const bool huge = capacity >= kHugePage;
  if (posix_memalign(&block, huge ? kHugePage : kHeader, capacity) != 0) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (huge) (void)madvise(block, capacity, MADV_HUGEPAGE);  // advice: failing is fine
#endif
  static_cast<Header*>(block)->capacity = capacity;
  return static_cast<char*>(block) + kHeader;
}

void block_free(void* data) noexcept {
  if (!data) return;
  void* block = static_cast<char*>(data) - kHeader;
  const size_t capacity = static_cast<Header*>(block)->capacity;
  if (capacity < kLarge || !pool().give(block, capacity)) std::free(block);
}

}  // namespace deepbird
