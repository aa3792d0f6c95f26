// Looking up bins: a hash table of feature ids, and a binary search among a row's cuts.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace deepbird {

enum class Other : int { kModulo = 0, kFloorModulo = 1, kMask = 2 };

struct OtherKeys {
  Other rule;
  int64_t first;
  int64_t stop;

  int64_t operator()(int64_t key) const {
    const uint64_t room = static_cast<uint64_t>(stop - first);
    switch (rule) {
      case Other::kModulo:
        return static_cast<int64_t>(static_cast<uint64_t>(key) % room) + first;
      case Other::kFloorModulo: {
        const int64_t rest = key % static_cast<int64_t>(room);
        return (rest < 0 ? rest + static_cast<int64_t>(room) : rest) + first;
      }
      default:
        return key & (stop - 1);
    }
  }
};

// The order key of deepbird_v2.discretizers.order: mirrored bits, in the order of the floats.
inline int64_t order_key(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits < 0 ? static_cast<int64_t>((uint64_t{1} << 63) - static_cast<uint64_t>(bits)) : bits;
}

class Index {
 public:
  Index(const int64_t* features, int64_t n, const int64_t* splits, const int64_t* cuts,
        const int64_t* ids, const int64_t* nan_ids)
      : splits_(splits, splits + n + 1),
        cuts_(cuts, cuts + splits_[n]),
        ids_(ids, ids + splits_[n] + n),
        nan_ids_(nan_ids, nan_ids + n) {
    size_t size = 2;
    while (size < static_cast<size_t>(n) * 2) size *= 2;
    mask_ = size - 1;
    slots_.assign(size, Slot{0, -1});
    for (int64_t row = 0; row < n; ++row) {
      size_t at = start(features[row]);
      while (slots_[at].row >= 0) at = (at + 1) & mask_;
      slots_[at] = {features[row], row};
    }
  }

  // The row of a feature, -1 if it has none.
  int64_t row(int64_t key) const {
    for (size_t at = start(key);; at = (at + 1) & mask_) {
      if (slots_[at].row < 0) return -1;
      if (slots_[at].key == key) return slots_[at].row;
    }
  }

  int64_t id(int64_t row, double value) const {
    if (value != value) return nan_ids_[row];
    const int64_t key = order_key(value);
    const int64_t* low = cuts_.data() + splits_[row];
    int64_t size = splits_[row + 1] - splits_[row];
    // Without branches: values are as good as random, so a prediction would miss half the time.
    while (size > 1) {
      const int64_t half = size / 2;
      low += (low[half - 1] <= key) * half;
      size -= half;
    }
    const int64_t step = (low - cuts_.data()) + (size == 1 && *low <= key);
    return ids_[step + row];
  }

 private:
  struct Slot {
    int64_t key;
    int64_t row;
  };

  size_t start(int64_t key) const {
    const uint64_t mixed = static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed >> 32) & mask_;
  }

  std::vector<int64_t> splits_, cuts_, ids_, nan_ids_;
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace deepbird
