// The Python face of the core: the same names as _fallback.py, which documents them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include "batch.h"
#include "hash.h"
#include "lzo1x.h"

namespace nb = nanobind;
using namespace deepbird;
using Ids = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

namespace {

template <typename T, typename... Sizes>
nb::object to_numpy(T* data, Sizes... sizes) {
  nb::capsule owner(data, [](void* p) noexcept { block_free(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(data, {static_cast<size_t>(sizes)...}, owner));
}

nb::object to_numpy(const std::vector<int64_t>& values) {
  Column<int64_t> copy(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), copy.get());
  return to_numpy(copy.release(), values.size());
}

nb::tuple to_tuple(const RecordError& error) {
  // The reason is ASCII.
  return nb::make_tuple(error.record, error.offset, nb::str(error.reason.c_str()));
}

nb::tuple to_tuple(Decoded&& decoded, const Plan& plan) {
  nb::list errors;
  for (const RecordError& error : decoded.errors) errors.append(to_tuple(error));
  const int64_t size = decoded.columns.size, rows = decoded.rows;
  return nb::make_tuple(to_numpy(decoded.row_splits.release(), rows + 1),
                        to_numpy(decoded.columns.key.release(), size),
                        to_numpy(decoded.columns.value.release(), size),
                        to_numpy(decoded.columns.field.release(), size),
                        to_numpy(decoded.columns.kind.release(), size),
                        to_numpy(decoded.labels.release(), rows, plan.n_labels),
                        to_numpy(decoded.weights.release(), rows, plan.n_weights),
                        decoded.unknown, errors);
}

class Buffer {
 public:
  explicit Buffer(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw nb::python_error();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  const uint8_t* begin() const { return static_cast<const uint8_t*>(view_.buf); }
  int64_t size() const { return view_.len; }
  Span span(int64_t start, int64_t end) const {
    if (start < 0 || end < start || end > size()) {
      throw nb::value_error("a record lies outside its buffer");
    }
    return {begin() + start, begin() + end};
  }

 private:
  Py_buffer view_;
};

Text as_text(nb::handle object) {
  if (!PyBytes_Check(object.ptr())) throw nb::type_error("expected bytes");
  return {reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(object.ptr())),
          PyBytes_GET_SIZE(object.ptr())};
}

nb::tuple decode_spans(nb::object data, Ids starts, Ids ends,
                       std::optional<std::pair<int64_t, int64_t>> common, const Plan& plan,
                       bool strict, bool skip_bad) {
  const Buffer buffer(data);
  if (starts.size() != ends.size()) throw nb::value_error("starts and ends differ in length");
  std::vector<Span> records(starts.size());
  for (size_t i = 0; i < records.size(); ++i) records[i] = buffer.span(starts(i), ends(i));
  std::optional<Span> common_span;
  if (common) common_span = buffer.span(common->first, common->second);
  Decoded decoded;
  {
    nb::gil_scoped_release release;
    decoded = decode(records, common_span, plan, strict, skip_bad);
  }
  return to_tuple(std::move(decoded), plan);
}

nb::tuple decode_list(nb::list list, const Plan& plan, bool strict, bool skip_bad) {
  // Own references: another thread may change the list while the lock is released.
  std::vector<nb::object> owners;
  std::vector<Span> records;
  owners.reserve(list.size());
  records.reserve(list.size());
  for (nb::handle item : list) {
    const Text text = as_text(item);
    owners.push_back(nb::borrow(item));
    records.push_back({text.data, text.data + text.size});
  }
  Decoded decoded;
  {
    nb::gil_scoped_release release;
    decoded = decode(records, std::nullopt, plan, strict, skip_bad);
  }
  return to_tuple(std::move(decoded), plan);
}

nb::tuple find_request_spans(nb::bytes request, bool strict) {
  const Text text = as_text(request);
  RequestSpans spans;
  {
    nb::gil_scoped_release release;
    spans = request_spans({text.data, text.data + text.size}, strict);
  }
  nb::object error = nb::none();
  if (spans.error) error = to_tuple(*spans.error);
  return nb::make_tuple(to_numpy(spans.starts), to_numpy(spans.ends), nb::cast(spans.common),
                        error);
}

nb::object name_hashes(nb::list names) {
  std::vector<int64_t> ids;
  ids.reserve(names.size());
  for (nb::handle name : names) ids.push_back(name_hash(as_text(name)));
  return to_numpy(ids);
}

nb::bytes decompress(nb::bytes data, int64_t size) {
  if (size < 0) throw nb::value_error("negative size");
  const Text text = as_text(data);
  Column<uint8_t> out(size);
  int64_t written = 0;
  {
    nb::gil_scoped_release release;
    written = lzo1x_decompress(text.data, text.size, out.get(), size);
  }
  return nb::bytes(out.get(), static_cast<size_t>(written));
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The compiled decoder; deepbird_v2.data._fallback is its twin and documentation.";
  nb::class_<Plan>(m, "Plan")
      .def(
          "__init__",
          [](Plan* self, std::optional<Ids> keep, Ids labels, Ids weights, bool name_only,
             bool drop_nan) {
            // An empty array may have no memory; only its absence keeps everything.
            static const int64_t nothing = 0;
            const int64_t* kept = !keep ? nullptr : keep->size() ? keep->data() : &nothing;
            new (self) Plan(kept, keep ? static_cast<int64_t>(keep->size()) : 0, labels.data(),
                            static_cast<int64_t>(labels.size()), weights.data(),
                            static_cast<int64_t>(weights.size()), name_only, drop_nan);
          },
          nb::arg("keep").none(), nb::arg("labels"), nb::arg("weights"), nb::arg("name_only"),
          nb::arg("drop_nan"));
  m.def("decode_spans", &decode_spans, nb::arg("data"), nb::arg("starts"), nb::arg("ends"),
        nb::arg("common").none(), nb::arg("plan"), nb::arg("strict"), nb::arg("skip_bad"));
  m.def("decode_list", &decode_list, nb::arg("records"), nb::arg("plan"), nb::arg("strict"),
        nb::arg("skip_bad"));
  m.def("request_spans", &find_request_spans, nb::arg("request"), nb::arg("strict"));
  m.def("name_hashes", &name_hashes, nb::arg("names"));
  m.def("lzo1x_decompress", &decompress, nb::arg("data"), nb::arg("size"));

  // A damaged block is the caller's ContainerError, as in the Python twin.
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const LzoError& error) {
      nb::object type =
          nb::module_::import_("deepbird_v2.data.errors").attr("ContainerError");
      PyErr_SetString(type.ptr(), error.what());
    }
  });
}
