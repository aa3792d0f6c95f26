// Kernels of compiled models; deepbird_v2/serving/kernels.py is their twin and documentation.
// Sums run in the same order as there and are never contracted, so that both give the same bits.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace {

template <typename T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// One clone a generation of processors; the loader picks one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DEEPBIRD_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DEEPBIRD_CLONES
#endif

void require(bool holds, const char* what) {
  if (!holds) throw nb::value_error(what);
}

// A row of a kernel is fetched this many entries before it is used.
constexpr int64_t kAhead = 16;
// Columns that are summed in registers.
constexpr int64_t kBlock = 32;

inline void fetch_row(const float* row, int64_t units) {
  for (int64_t u = 0; u < units; u += 16) __builtin_prefetch(row + u);
  __builtin_prefetch(row + units - 1);
}

// y += entry * v, whole blocks unrolled.
inline void add_row(float* __restrict y, const float* __restrict entry, float v, int64_t units) {
  int64_t u = 0;
  for (; u + kBlock <= units; u += kBlock) {
    for (int64_t i = 0; i < kBlock; ++i) y[u + i] += entry[u + i] * v;
  }
  for (; u + 4 <= units; u += 4) {
    for (int64_t i = 0; i < 4; ++i) y[u + i] += entry[u + i] * v;
  }
  for (; u < units; ++u) y[u] += entry[u] * v;
}

DEEPBIRD_CLONES
void sum_rows(const int64_t* ids, const float* values, const int64_t* splits, int64_t rows,
              const float* kernel, int64_t units, float* out) {
  const int64_t total = splits[rows];
  for (int64_t r = 0; r < rows; ++r) {
    float* y = out + r * units;
    std::fill_n(y, units, 0.0f);
    for (int64_t i = splits[r]; i < splits[r + 1]; ++i) {
      if (i + kAhead < total) fetch_row(kernel + ids[i + kAhead] * units, units);
      add_row(y, kernel + ids[i] * units, values[i], units);
    }
  }
}

// The same for a kernel whose rows are padded to 16 * kBlocks: the sums stay in registers.
template <int64_t kBlocks>
DEEPBIRD_CLONES
void sum_rows_fixed(const int64_t* ids, const float* values, const int64_t* splits, int64_t rows,
                    const float* kernel, int64_t units, float* out) {
  constexpr int64_t kStride = 16 * kBlocks;
  const int64_t total = splits[rows];
  for (int64_t r = 0; r < rows; ++r) {
    float y[kStride] = {};
    for (int64_t i = splits[r]; i < splits[r + 1]; ++i) {
      if (i + kAhead < total) fetch_row(kernel + ids[i + kAhead] * kStride, kStride);
      const float* __restrict entry = kernel + ids[i] * kStride;
      const float v = values[i];
      for (int64_t u = 0; u < kStride; ++u) y[u] += entry[u] * v;
    }
    std::copy_n(y, units, out + r * units);
  }
}

using SumRows = decltype(&sum_rows);
constexpr SumRows kSums[] = {sum_rows,          sum_rows_fixed<1>, sum_rows_fixed<2>,
                             sum_rows_fixed<3>, sum_rows_fixed<4>, sum_rows_fixed<5>,
                             sum_rows_fixed<6>, sum_rows_fixed<7>, sum_rows_fixed<8>};

DEEPBIRD_CLONES
void rectify_rows(float* y, int64_t rows, int64_t units, const float* bias, const float* slope) {
  for (int64_t r = 0; r < rows; ++r, y += units) {
    for (int64_t u = 0; u < units; ++u) {
      const float x = y[u] + bias[u];
      y[u] = x > 0.0f ? x : x * slope[u];
    }
  }
}

void check_entries(const int64_t* ids, int64_t n, const int64_t* splits, int64_t rows,
                   int64_t width) {
  require(splits[0] == 0 && splits[rows] == n, "row_splits do not cover the entries");
  for (int64_t r = 0; r < rows; ++r) require(splits[r] <= splits[r + 1], "row_splits descend");
  int64_t bad = 0;
  for (int64_t i = 0; i < n; ++i) {
    bad |= static_cast<int64_t>(static_cast<uint64_t>(ids[i]) >= static_cast<uint64_t>(width));
  }
  if (bad) throw nb::index_error("a key lies outside the kernel");
}

// Borrows the arrays, which Python keeps alive through nanobind's handles.
struct Kernel {
  Kernel(Matrix<float> kernel_, int64_t units_) : kernel(kernel_), units(units_) {
    const auto stride = static_cast<int64_t>(kernel.shape(1));
    require(units > 0 && (units == stride || (units < stride && stride % 16 == 0 && stride <= 128)),
            "rows are padded to a multiple of 16 columns, 128 at most");
  }

  void sum(const int64_t* ids, const float* values, int64_t n, Vector<int64_t> splits,
           Out out) const {
    const auto rows = static_cast<int64_t>(splits.size()) - 1;
    require(rows >= 0 && static_cast<int64_t>(out.shape(0)) == rows &&
                static_cast<int64_t>(out.shape(1)) == units,
            "out is not [rows, units]");
    check_entries(ids, n, splits.data(), rows, static_cast<int64_t>(kernel.shape(0)));
    nb::gil_scoped_release release;
    const auto stride = static_cast<int64_t>(kernel.shape(1));
    const bool padded = stride % 16 == 0 && stride / 16 < static_cast<int64_t>(std::size(kSums));
    const SumRows sum_all = padded ? kSums[stride / 16] : sum_rows;
    sum_all(ids, values, splits.data(), rows, kernel.data(), units, out.data());
  }

  Matrix<float> kernel;
  int64_t units;
};

void gather_sum(const Kernel& kernel, Vector<int64_t> ids, Vector<float> values,
                Vector<int64_t> splits, Out out) {
  require(ids.size() == values.size() && splits.size() > 0, "ids and values differ in length");
  kernel.sum(ids.data(), values.data(), static_cast<int64_t>(ids.size()), splits, out);
}

template <typename Edge>
class Discretizer {
 public:
  Discretizer(Vector<int64_t> ids, Matrix<Edge> edges, Matrix<int64_t> bins, Matrix<int64_t> ties,
              int64_t out_bits)
      : ids_(ids.data(), ids.data() + ids.size()),
        edges_(edges.data(), edges.data() + edges.size()),
        bins_(bins.data(), bins.data() + bins.size()),
        ties_(ties.data(), ties.data() + ties.size()),
        width_(static_cast<int64_t>(edges.shape(1))) {
    const size_t cells = edges_.size();
    require(out_bits > 0 && out_bits < 63, "out_bits is not in 1..62");
    require(width_ > 0 && edges.shape(0) == ids_.size() && bins_.size() == cells &&
                ties_.size() == cells && cells < (uint64_t{1} << out_bits),
            "the discretizer's arrays do not fit together");
    for (const int64_t tie : ties_) require(tie >= 0 && tie < width_, "a tie is no bin");
    known_ = static_cast<int64_t>(cells);
    room_ = (uint64_t{1} << out_bits) - static_cast<uint64_t>(known_);
    make_table();
  }

  void run(const int64_t* keys, const double* values, int64_t n, int64_t* out,
           float* out_values) const {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = find(keys[i]);
      if (row < 0) {
        out[i] = static_cast<int64_t>(static_cast<uint64_t>(keys[i]) % room_) + known_;
        out_values[i] = static_cast<float>(values[i]);
      } else {
        out[i] = bins_[row * width_ + bin(row, static_cast<Edge>(values[i]))];
        out_values[i] = 1.0f;
      }
    }
  }

 private:
  // The last edge at or below the value, 0 below all of them and for NaN; ties as calibrated.
  int64_t bin(int64_t row, Edge value) const {
    const Edge* edges = edges_.data() + row * width_;
    const Edge* at = edges;
    int64_t left = width_;
    while (left > 1) {
      const int64_t half = left / 2;
      at = at[half] <= value ? at + half : at;
      left -= half;
    }
    const int64_t found = at - edges;
    return *at == value ? ties_[row * width_ + found] : found;
  }

  // Open addressing; an empty slot holds -1.
  void make_table() {
    size_t size = 16;
    while (size < ids_.size() * 4) size *= 2;
    mask_ = size - 1;
    table_.assign(size, -1);
    for (size_t row = 0; row < ids_.size(); ++row) {
      size_t slot = hash(ids_[row]);
      while (table_[slot] >= 0) {
        require(ids_[static_cast<size_t>(table_[slot])] != ids_[row], "a feature id occurs twice");
        slot = (slot + 1) & mask_;
      }
      table_[slot] = static_cast<int64_t>(row);
    }
  }
  size_t hash(int64_t key) const {
    const uint64_t mixed = static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed >> 32) & mask_;
  }
  int64_t find(int64_t key) const {
    for (size_t slot = hash(key);; slot = (slot + 1) & mask_) {
      const int64_t row = table_[slot];
      if (row < 0 || ids_[static_cast<size_t>(row)] == key) return row;
    }
  }

  std::vector<int64_t> ids_;
  std::vector<Edge> edges_;
  std::vector<int64_t> bins_, ties_, table_;
  int64_t width_, known_;
  uint64_t room_;
  size_t mask_;
};

using Columns = nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename Edge>
void bind_discretizer(nb::module_& m, const char* name) {
  using D = Discretizer<Edge>;
  nb::class_<D>(m, name)
      .def(nb::init<Vector<int64_t>, Matrix<Edge>, Matrix<int64_t>, Matrix<int64_t>, int64_t>())
      .def("apply",
           [](const D& self, Vector<int64_t> keys, Vector<double> values, Columns out,
              Values out_values) {
             const size_t n = keys.size();
             require(values.size() == n && out.size() == n && out_values.size() == n,
                     "columns differ in length");
             nb::gil_scoped_release release;
             self.run(keys.data(), values.data(), static_cast<int64_t>(n), out.data(),
                      out_values.data());
           })
      .def("apply_and_sum", [](const D& self, Vector<int64_t> keys, Vector<double> values,
                               Vector<int64_t> splits, const Kernel& kernel, Out out) {
        const size_t n = keys.size();
        require(values.size() == n && splits.size() > 0, "columns differ in length");
        thread_local std::vector<int64_t> ids;
        thread_local std::vector<float> kept;
        if (ids.size() < n) {
          ids.resize(n);
          kept.resize(n);
        }
        self.run(keys.data(), values.data(), static_cast<int64_t>(n), ids.data(), kept.data());
        kernel.sum(ids.data(), kept.data(), static_cast<int64_t>(n), splits, out);
      });
}

void rectify(Out y, Vector<float> bias, Vector<float> slope) {
  const auto units = static_cast<int64_t>(y.shape(1));
  require(static_cast<int64_t>(bias.size()) == units && static_cast<int64_t>(slope.size()) == units,
          "bias and slope need one number a column");
  nb::gil_scoped_release release;
  rectify_rows(y.data(), static_cast<int64_t>(y.shape(0)), units, bias.data(), slope.data());
}

// Segments: x0, y0, rise and width, [4, 2 n]; first those that begin at each of the n points, then
// those of a value on a point.
template <typename T>
void interpolate(Vector<T> xs, Vector<T> ys, Matrix<T> segments, Vector<float> x,
                 nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu> out) {
  const size_t n = xs.size();
  require(n > 0 && ys.size() == n && segments.shape(0) == 4 && segments.shape(1) == 2 * n &&
              x.size() == out.size(),
          "points, segments and scores do not fit together");
  nb::gil_scoped_release release;
  const T *from = xs.data(), *x0 = segments.data();
  const T *y0 = x0 + 2 * n, *rise = y0 + 2 * n, *width = rise + 2 * n;
  for (size_t i = 0; i < x.size(); ++i) {
    const T score = static_cast<T>(x.data()[i]);
    if (!(score > from[0])) {  // NaN, too
      out.data()[i] = ys.data()[0];
    } else if (score >= from[n - 1]) {
      out.data()[i] = ys.data()[n - 1];
    } else {
      auto at = static_cast<size_t>(std::upper_bound(from, from + n, score) - from) - 1;
      if (from[at] == score) at += n;
      out.data()[i] = y0[at] + rise[at] * ((score - x0[at]) / width[at]);
    }
  }
}

}  // namespace

NB_MODULE(_kernels, m) {
  m.doc() = "Compiled kernels; deepbird_v2.serving.kernels documents them.";
  nb::class_<Kernel>(m, "Kernel").def(nb::init<Matrix<float>, int64_t>());
  bind_discretizer<double>(m, "Discretizer64");
  bind_discretizer<float>(m, "Discretizer32");
  m.def("gather_sum", &gather_sum);
  m.def("rectify", &rectify);
  m.def("interpolate", &interpolate<float>);
  m.def("interpolate", &interpolate<double>);
}
