// The Python face of the discretizers' core. Each function has a twin in NumPy that documents it:
// table.Table.apply, and calibration.fit._pool_adjacent.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>

#include "index.h"

namespace nb = nanobind;
using namespace deepbird;
using Ints = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

namespace {

template <typename T>
nb::object to_numpy(std::unique_ptr<T[]> data, size_t size) {
  T* raw = data.release();
  nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(raw, {size}, owner));
}

nb::tuple apply(const Index& index, Ints keys, Doubles values, int rule, int64_t first,
                int64_t stop) {
  const size_t n = keys.size();
  if (values.size() != n) throw nb::value_error("keys and values differ in length");
  if (rule < 0 || rule > 2 || first < 0 || stop <= first) throw nb::value_error("no such rule");
  std::unique_ptr<int64_t[]> ids(new int64_t[n]);
  std::unique_ptr<float[]> kept(new float[n]);
  {
    nb::gil_scoped_release release;
    const OtherKeys other{static_cast<Other>(rule), first, stop};
    const int64_t* key = keys.data();
    const double* value = values.data();
    for (size_t i = 0; i < n; ++i) {
      const int64_t row = index.row(key[i]);
      ids[i] = row < 0 ? other(key[i]) : index.id(row, value[i]);
      kept[i] = row < 0 ? static_cast<float>(value[i]) : 1.0f;
    }
  }
  return nb::make_tuple(to_numpy(std::move(ids), n), to_numpy(std::move(kept), n));
}

nb::object pool_adjacent(Doubles targets, Doubles weights) {
  const size_t n = targets.size();
  if (weights.size() != n) throw nb::value_error("targets and weights differ in length");
  std::unique_ptr<int64_t[]> starts(new int64_t[n]);
  std::unique_ptr<double[]> sums(new double[n]), mass(new double[n]);
  size_t blocks = 0;
  {
    nb::gil_scoped_release release;
    for (size_t at = 0; at < n; ++at) {
      int64_t start = static_cast<int64_t>(at);
      double heavy = weights.data()[at], total = targets.data()[at] * heavy;
      while (blocks && sums[blocks - 1] * heavy >= total * mass[blocks - 1]) {
        --blocks;
        start = starts[blocks];
        total += sums[blocks];
        heavy += mass[blocks];
      }
      starts[blocks] = start;
      sums[blocks] = total;
      mass[blocks] = heavy;
      ++blocks;
    }
  }
  return to_numpy(std::move(starts), blocks);
}

}  // namespace

NB_MODULE(_discretizers, m) {
  m.doc() = "The discretizers' compiled core.";
  // A table keeps its index; tables at module level live until the interpreter is gone.
  nb::set_leak_warnings(false);
  nb::class_<Index>(m, "Index")
      .def(
          "__init__",
          [](Index* self, Ints features, Ints splits, Ints cuts, Ints ids, Ints nan_ids) {
            const size_t n = features.size();
            if (splits.size() != n + 1 || nan_ids.size() != n || splits.data()[0] != 0) {
              throw nb::value_error("the table's columns do not fit together");
            }
            for (size_t i = 0; i < n; ++i) {
              if (splits.data()[i + 1] < splits.data()[i]) {
                throw nb::value_error("the table's splits descend");
              }
            }
            if (static_cast<size_t>(splits.data()[n]) != cuts.size() ||
                ids.size() != cuts.size() + n) {
              throw nb::value_error("the table's columns do not fit together");
            }
            new (self) Index(features.data(), static_cast<int64_t>(n), splits.data(), cuts.data(),
                             ids.data(), nan_ids.data());
          },
          nb::arg("features"), nb::arg("splits"), nb::arg("cuts"), nb::arg("ids"),
          nb::arg("nan_ids"));
  m.def("apply", &apply, nb::arg("index"), nb::arg("keys"), nb::arg("values"), nb::arg("rule"),
        nb::arg("first"), nb::arg("stop"));
  m.def("pool_adjacent", &pool_adjacent, nb::arg("targets"), nb::arg("weights"));
}
