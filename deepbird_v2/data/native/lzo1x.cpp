#include "lzo1x.h"

#include <cstring>

namespace deepbird {
namespace {

class Stream {
 public:
  Stream(const uint8_t* data, int64_t size, uint8_t* out, int64_t capacity)
      : data_(data), size_(size), out_(out), capacity_(capacity) {}

  int64_t byte() {
    if (pos_ >= size_) throw LzoError("LZO block: truncated");
    return data_[pos_++];
  }
  // The bits in the instruction, or, if they are 0, zero bytes worth 255 each.
  int64_t length(int64_t bits, int64_t base) {
    if (bits) return bits;
    int64_t last;
    while ((last = byte()) == 0) base += 255;
    return base + last;
  }
  void literals(int64_t count) {
    room(count);
    if (count > size_ - pos_) throw LzoError("LZO block: truncated in a run of literals");
    std::memcpy(out_ + written_, data_ + pos_, static_cast<size_t>(count));
    pos_ += count;
    written_ += count;
  }
  void match(int64_t distance, int64_t count) {
    room(count);
    if (distance > written_) {
      throw LzoError("LZO block: a match reaches " + std::to_string(distance) +
                     " bytes back, too far");
    }
    uint8_t* to = out_ + written_;
    const uint8_t* from = to - distance;
    if (distance >= count) {
      std::memcpy(to, from, static_cast<size_t>(count));
    } else {
      for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    }
    written_ += count;
  }
  int64_t finish() const {
    if (pos_ != size_) {
      throw LzoError("LZO block: ends after " + std::to_string(pos_) + " of its " +
                     std::to_string(size_) + " bytes");
    }
    return written_;
  }
  int64_t first() const { return size_ > 0 ? data_[0] : 0; }

 private:
  void room(int64_t count) const {
    if (count > capacity_ - written_) {
      throw LzoError("LZO block: more than the " + std::to_string(capacity_) +
                     " bytes it declares");
    }
  }

  const uint8_t* data_;
  int64_t size_;
  uint8_t* out_;
  int64_t capacity_;
  int64_t pos_ = 0;
  int64_t written_ = 0;
};

}  // namespace

int64_t lzo1x_decompress(const uint8_t* data, int64_t size, uint8_t* out, int64_t capacity) {
  Stream stream(data, size, out, capacity);
  int64_t state = 0;
  if (stream.first() > 17) {
    const int64_t count = stream.byte() - 17;
    stream.literals(count);
    state = count < 4 ? count : 4;
  }
  for (;;) {
    const int64_t code = stream.byte();
    if (code < 16 && state == 0) {
      stream.literals(3 + stream.length(code, 15));
      state = 4;
      continue;
    }
    int64_t distance, count, tail;
    if (code < 16) {
      distance = (stream.byte() << 2) + (code >> 2) + (state < 4 ? 1 : 2049);
      count = state < 4 ? 2 : 3;
      tail = code;
    } else if (code < 64) {
      const bool far = code < 32;
      const int64_t mask = far ? 7 : 31;
      count = 2 + stream.length(code & mask, mask);
      tail = stream.byte();
      distance = (tail >> 2) + (stream.byte() << 6) + 1;
      if (far) distance += 16383 + ((code & 8) << 11);
      if (far && distance == 16384) return stream.finish();
    } else {
      count = (code >> 5) + 1;
      distance = (stream.byte() << 3) + ((code >> 2) & 7) + 1;
      tail = code;
    }
    stream.match(distance, count);
    state = tail & 3;
    stream.literals(state);
  }
}

}  // namespace deepbird
