// Growing columns that can be handed to NumPy without a copy.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "block.h"

namespace deepbird {

struct BlockDeleter {
  void operator()(void* p) const { block_free(p); }
};

template <typename T>
class Column {
 public:
  Column() = default;
  explicit Column(int64_t capacity) { move_to(capacity, 0); }

  // Takes a new block of `capacity` elements, with the first `used` carried over.
  void move_to(int64_t capacity, int64_t used) {
    const auto bytes = static_cast<size_t>(std::max<int64_t>(capacity, 1)) * sizeof(T);
    std::unique_ptr<T, BlockDeleter> fresh(static_cast<T*>(block_alloc(bytes)));
    if (used) std::memcpy(fresh.get(), data_.get(), static_cast<size_t>(used) * sizeof(T));
    data_ = std::move(fresh);
  }
  T* get() { return data_.get(); }
  const T* get() const { return data_.get(); }
  T* release() { return data_.release(); }

 private:
  std::unique_ptr<T, BlockDeleter> data_;
};

struct Columns {
  Column<int64_t> key;
  Column<double> value;
  Column<int64_t> field;
  Column<uint8_t> kind;
  int64_t size = 0;
  int64_t capacity = 0;

  void set_capacity(int64_t capacity_) {
    key.move_to(capacity_, size);
    value.move_to(capacity_, size);
    field.move_to(capacity_, size);
    kind.move_to(capacity_, size);
    capacity = capacity_;
  }
  // Makes room for `more` features.
  void reserve(int64_t more) {
    if (__builtin_expect(size + more > capacity, 0)) {
      set_capacity(std::max(size + more, capacity * 2));
    }
  }
  // Gives back memory if most of it is unused.
  void trim() {
    if (size < capacity / 2) set_capacity(size);
  }
  void append(const Columns& other) {
    if (other.size == 0) return;
    reserve(other.size);
    const auto n = static_cast<size_t>(other.size);
    std::memcpy(key.get() + size, other.key.get(), n * sizeof(int64_t));
    std::memcpy(value.get() + size, other.value.get(), n * sizeof(double));
    std::memcpy(field.get() + size, other.field.get(), n * sizeof(int64_t));
    std::memcpy(kind.get() + size, other.kind.get(), n);
    size += other.size;
  }
  // Writes one feature; there must be room.
  void put(int64_t key_, double value_, int64_t field_, uint8_t kind_) {
    key.get()[size] = key_;
    value.get()[size] = value_;
    field.get()[size] = field_;
    kind.get()[size] = kind_;
    ++size;
  }
};

}  // namespace deepbird
