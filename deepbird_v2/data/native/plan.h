// What to keep of a record: an id's role, found in one probe or two.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace deepbird {

struct Role {
  int64_t id = 0;
  uint16_t label = 0;   // column + 1, 0 for none
  uint16_t weight = 0;  // column + 1, 0 for none
  bool keep = false;
  bool used = false;
};

class Plan {
 public:
  // keep == nullptr keeps every id that is no label and no weight.
  Plan(const int64_t* keep, int64_t n_keep, const int64_t* labels, int64_t n_labels,
       const int64_t* weights, int64_t n_weights, bool name_only, bool drop_nan)
      : n_labels(n_labels),
        n_weights(n_weights),
        keep_all(keep == nullptr),
        name_only(name_only),
        drop_nan(drop_nan) {
    if (n_labels >= UINT16_MAX || n_weights >= UINT16_MAX) {
      throw std::invalid_argument("more than 65534 label or weight columns");
    }
    int bits = 4;
    while ((int64_t{1} << bits) < 2 * (n_keep + n_labels + n_weights)) ++bits;
    shift_ = 64 - bits;
    slots_.resize(size_t{1} << bits);
    absent_.keep = keep_all;
    for (int64_t i = 0; i < n_keep; ++i) insert(keep[i]).keep = true;
    for (int64_t i = 0; i < n_labels; ++i) insert(labels[i]).label = static_cast<uint16_t>(i + 1);
    for (int64_t i = 0; i < n_weights; ++i) {
      insert(weights[i]).weight = static_cast<uint16_t>(i + 1);
    }
  }

  const Role& find(int64_t id) const {
    const size_t mask = slots_.size() - 1;
    for (size_t at = home(id);; at = (at + 1) & mask) {
      const Role& slot = slots_[at];
      if (!slot.used) return absent_;
      if (slot.id == id) return slot;
    }
  }

  const int64_t n_labels;
  const int64_t n_weights;
  const bool keep_all;
  const bool name_only;  // sparse continuous keys come from the value's name alone
  const bool drop_nan;

 private:
  size_t home(int64_t id) const {
    return (static_cast<uint64_t>(id) * 0x9e3779b97f4a7c15ULL) >> shift_;
  }
  Role& insert(int64_t id) {
    size_t at = home(id);
    while (slots_[at].used && slots_[at].id != id) at = (at + 1) & (slots_.size() - 1);
    slots_[at].used = true;
    slots_[at].id = id;
    return slots_[at];
  }

  std::vector<Role> slots_;
  Role absent_;
  int shift_ = 0;
};

}  // namespace deepbird
