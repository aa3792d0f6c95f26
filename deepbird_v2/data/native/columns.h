// Growing columns that can be handed to NumPy without a copy.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace deepbird {

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};

template <typename T>
class Column {
 public:
  void resize(int64_t capacity) {
    const size_t bytes = static_cast<size_t>(capacity > 0 ? capacity : 1) * sizeof(T);
    void* grown = std::realloc(data_.get(), bytes);
    if (!grown) throw std::bad_alloc();
    (void)data_.release();
    data_.reset(static_cast<T*>(grown));
  }
  T* get() { return data_.get(); }
  T* release() { return data_.release(); }

 private:
  std::unique_ptr<T, FreeDeleter> data_;
};

struct Columns {
  Column<int64_t> key;
  Column<double> value;
  Column<int64_t> field;
  Column<uint8_t> kind;
  int64_t size = 0;
  int64_t capacity = 0;

  // Makes room for `more` features.
  void reserve(int64_t more) {
    if (__builtin_expect(size + more > capacity, 0)) {
      const int64_t doubled = capacity * 2;
      resize(size + more > doubled ? size + more : doubled);
    }
  }
  void resize(int64_t capacity_) {
    key.resize(capacity_);
    value.resize(capacity_);
    field.resize(capacity_);
    kind.resize(capacity_);
    capacity = capacity_;
  }
  void append(const Columns& other) {
    if (other.size == 0) return;
    reserve(other.size);
    auto& source = const_cast<Columns&>(other);
    const auto n = static_cast<size_t>(other.size);
    std::memcpy(key.get() + size, source.key.get(), n * sizeof(int64_t));
    std::memcpy(value.get() + size, source.value.get(), n * sizeof(double));
    std::memcpy(field.get() + size, source.field.get(), n * sizeof(int64_t));
    std::memcpy(kind.get() + size, source.kind.get(), n);
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
