#include "index/ann.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/index_io.h>
#include <faiss/invlists/InvertedLists.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "index/crew.hpp"
#include "index/faiss_index.hpp"
#include "index/gpu.hpp"
#include "index/scan.hpp"
#include "index/scan_kernel.hpp"

namespace driftd::index {
namespace {

using Id = faiss::Index::idx_t;

void check(MatrixView vectors, std::size_t dimension) {
  if (vectors.cols != dimension) {
    throw Error{Errc::invalid_argument, "a vector has " + std::to_string(vectors.cols) + " values, the index holds " +
                                            std::to_string(dimension) + ": it was made by another model"};
  }
  const std::span values{vectors.data, vectors.rows * vectors.cols};
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
    throw Error{Errc::invalid_argument, "a vector holds a value that is not finite"};
  }
}

// A device's distances lose the small differences: it finds so many more, of which the nearest are kept.
constexpr std::size_t kSpare = 16;

// While it lives, OpenMP regions that this thread begins have one thread: it is one of several at work already, and
// FAISS would wake a team to decode a single vector.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int before_ = omp_get_max_threads();
};

class Allowed final : public faiss::IDSelector {
 public:
  explicit Allowed(const RowMask& rows) : rows_{rows} {}
  bool is_member(Id row) const override { return rows_.test(static_cast<std::size_t>(row)); }

 private:
  const RowMask& rows_;
};

// Runs a FAISS call that good arguments cannot fail, and translates what it throws nevertheless.
template <class F>
void guarded(const char* what, F&& call) {
  try {
    call();
  } catch (const faiss::FaissException& error) {
    throw Error{Errc::internal, std::string{"FAISS failed to "} + what + ": " + error.what()};
  }
}

}  // namespace

struct Ann::Impl {
  Impl(Kind k, std::unique_ptr<faiss::Index> i)
      : kind{k}, index{std::move(i)}, cells{has_cells(k) ? static_cast<faiss::IndexIVF*>(index.get()) : nullptr} {}

  Kind kind;
  std::unique_ptr<faiss::Index> index;
  faiss::IndexIVF* cells;  // the index, where the kind has cells

  std::unique_ptr<GpuCopies> copies;
  mutable Guarded<std::string> fallback;  // why the copies do not answer

  [[nodiscard]] std::size_t dimension() const { return static_cast<std::size_t>(index->d); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(index->ntotal); }

  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k, const SearchOptions& options) const {
    const auto* allowed = options.allowed;
    const auto count = allowed == nullptr ? size() : allowed->count();
    if (auto found = search_device(queries, k, options)) return std::move(*found);
    if (kind == Kind::flat) {
      const auto& flat = static_cast<const faiss::IndexFlat&>(*index);
      return scan(queries, {size(), dimension(), flat.get_xb()}, k, allowed);
    }
    if (cells != nullptr && (count == 0 || (allowed != nullptr && count <= usually_read())))
      return scan(queries, size(), reader(), k, allowed);
    auto found = kind == Kind::sq8 ? scan(queries, size(), code_reader(), k, allowed)
                                   : search_cells(queries, k, allowed, options.all_cells);
    cores().each(queries.rows, [&](std::size_t q) {
      const MatrixView query{1, queries.cols, queries.row(q).data()};
      finish(query, std::span{found.distances}.subspan(q * k, k), std::span{found.rows}.subspan(q * k, k),
             std::min(k, count), allowed);
    });
    return found;
  }

  // Row-major; in `space` where they are not stored as they are.
  [[nodiscard]] const float* all_vectors(std::vector<float>& space) const {
    if (kind == Kind::flat) return static_cast<const faiss::IndexFlat&>(*index).get_xb();
    space.resize(size() * dimension());
    index->reconstruct_n(0, index->ntotal, space.data());
    return space.data();
  }

  // What a search needs that neither adding nor reading makes, and no more memory than the vectors take.
  void finish_cells() {
    auto& lists = static_cast<faiss::ArrayInvertedLists&>(*cells->invlists);
    for (auto& codes : lists.codes) codes.shrink_to_fit();
    for (auto& ids : lists.ids) ids.shrink_to_fit();
    cells->direct_map = faiss::DirectMap{};  // not a file's own: it is not checked
    cells->make_direct_map();                // from a row to its place in a cell
  }

  // What a device finds, its distances computed here; nothing where there is none or it cannot.
  [[nodiscard]] std::optional<Neighbours> search_device(MatrixView queries, std::size_t k,
                                                        const SearchOptions& options) const {
    if (copies == nullptr || options.allowed != nullptr || options.all_cells || size() == 0) return std::nullopt;
    try {
      const auto more = std::min(size(), k + kSpare);
      auto candidates = copies->search(queries, more, cells == nullptr ? 0 : cells->nprobe);
      fallback.with([](std::string& reason) { reason.clear(); });
      Neighbours found{k, std::vector<float>(queries.rows * k, std::numeric_limits<float>::infinity()),
                       std::vector<std::int64_t>(queries.rows * k, -1)};
      cores().each(queries.rows, [&](std::size_t q) {
        const auto distances = std::span{candidates.distances}.subspan(q * more, more);
        const auto rows = std::span{candidates.rows}.subspan(q * more, more);
        const MatrixView query{1, queries.cols, queries.row(q).data()};
        finish(query, distances, rows, std::min(k, size()), nullptr);
        std::ranges::copy(distances.first(std::min(k, more)), found.distances.begin() + q * k);
        std::ranges::copy(rows.first(std::min(k, more)), found.rows.begin() + q * k);
      });
      return found;
    } catch (const Error& error) {
      fallback.with([&](std::string& reason) { reason = error.what(); });
      return std::nullopt;
    }
  }

  // Vectors in the cells of a query, on average.
  [[nodiscard]] std::size_t usually_read() const { return size() / cells->nlist * cells->nprobe; }

  // The vectors as stored. FAISS throws only where a row is missing.
  [[nodiscard]] RowReader reader() const {
    return [this](std::span<const std::int64_t> rows, float* values) {
      const OneThread alone;
      for (const auto row : rows) {
        index->reconstruct(row, values);
        values += dimension();
      }
    };
  }

  // The vectors of codes, four times as fast as FAISS decodes them and to within a rounding error the same.
  [[nodiscard]] RowReader code_reader() const {
    const auto& coded = static_cast<const faiss::IndexScalarQuantizer&>(*index);
    return [&coded, decode = scan_kernels().front().decode](std::span<const std::int64_t> rows, float* values) {
      const auto width = static_cast<std::size_t>(coded.d);
      const auto* least = coded.sq.trained.data();
      for (const auto row : rows) {
        decode(coded.codes.data() + static_cast<std::size_t>(row) * width, least, least + width, width, values);
        values += width;
      }
    };
  }

  // IndexIVF::search() in two steps: the centroids by our own scan, which chooses the same cells for one query and for
  // many, and the cells with statistics of our own: FAISS adds to its global ones without a lock.
  [[nodiscard]] Neighbours search_cells(MatrixView queries, std::size_t k, const RowMask* mask, bool all_cells) const {
    std::optional<Allowed> allowed;
    if (mask != nullptr) allowed.emplace(*mask);
    faiss::SearchParametersIVF parameters;
    parameters.sel = allowed ? &*allowed : nullptr;
    parameters.nprobe = all_cells ? cells->nlist : cells->nprobe;
    const auto& centroids = static_cast<const faiss::IndexFlat&>(*cells->quantizer);
    const auto chosen = scan(queries, {cells->nlist, dimension(), centroids.get_xb()}, parameters.nprobe);
    Neighbours found{k, std::vector<float>(queries.rows * k), std::vector<std::int64_t>(queries.rows * k)};
    cores().each(queries.rows, [&](std::size_t q) {
      const OneThread alone;
      faiss::IndexIVFStats statistics;
      cells->search_preassigned(1, queries.row(q).data(), static_cast<Id>(k),
                                chosen.rows.data() + q * parameters.nprobe,
                                chosen.distances.data() + q * parameters.nprobe, found.distances.data() + q * k,
                                found.rows.data() + q * k, false, &parameters, &statistics);
    });
    return found;
  }

  // Makes the answer to one query what it should be, wherever its candidates come from: `wanted` rows or, where the
  // cells held fewer, all rows read.
  void finish(MatrixView query, std::span<float> distances, std::span<std::int64_t> rows, std::size_t wanted,
              const RowMask* allowed) const {
    if (wanted == 0 || rows[wanted - 1] >= 0) return refine(query, distances, rows);
    const auto all = scan(query, size(), reader(), rows.size(), allowed, 1);
    std::ranges::copy(all.rows, rows.begin());
    std::ranges::copy(all.distances, distances.begin());
  }

  // Replaces the distances of one query by those that a scan of the stored vectors finds, and restores the order.
  void refine(MatrixView query, std::span<float> distances, std::span<std::int64_t> rows) const {
    std::vector<std::int64_t> found(rows.begin(), std::ranges::find(rows, -1));
    std::ranges::sort(found);  // so that equal distances are ordered by row
    Matrix stored{found.size(), dimension()};
    reader()(found, stored.data.data());
    const auto nearest = scan(query, stored, rows.size(), nullptr, 1);
    std::ranges::copy(nearest.distances, distances.begin());
    std::ranges::transform(nearest.rows, rows.begin(), [&](std::int64_t i) { return i < 0 ? -1 : found[i]; });
  }
};

Ann::Ann(std::size_t dimension) {
  if (dimension == 0) throw Error{Errc::invalid_argument, "an index needs a dimension of at least 1"};
  impl_ = std::make_unique<Impl>(Kind::flat, make_faiss_index(Kind::flat, dimension, 0));
}
Ann::Ann(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Ann::~Ann() = default;
Ann::Ann(Ann&&) noexcept = default;
Ann& Ann::operator=(Ann&&) noexcept = default;

std::size_t Ann::size() const {
  return static_cast<std::size_t>(impl_->index->ntotal);
}
std::size_t Ann::dimension() const {
  return impl_->dimension();
}
Kind Ann::kind() const {
  return impl_->kind;
}
std::size_t Ann::nlist() const {
  return impl_->cells == nullptr ? 0 : impl_->cells->nlist;
}
std::size_t Ann::nprobe() const {
  return impl_->cells == nullptr ? 0 : impl_->cells->nprobe;
}

std::vector<float> Ann::vector(std::size_t row) const {
  std::vector<float> values(dimension());
  guarded("read a vector", [&] { impl_->index->reconstruct(static_cast<Id>(row), values.data()); });
  return values;
}

Matrix Ann::vectors(std::span<const std::int64_t> rows) const {
  Matrix values{rows.size(), dimension()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= impl_->index->ntotal) {
      throw Error{Errc::invalid_argument,
                  "there is no row " + std::to_string(rows[i]) + " in an index of " + std::to_string(size())};
    }
    guarded("read a vector", [&] { impl_->index->reconstruct(rows[i], values.row(i).data()); });
  }
  return values;
}

void Ann::set_nprobe(std::size_t nprobe) {
  if (nprobe < 1 || nprobe > nlist()) {
    throw Error{Errc::invalid_argument,
                "cannot probe " + std::to_string(nprobe) + " of " + std::to_string(nlist()) + " cells"};
  }
  impl_->cells->nprobe = nprobe;
}

Ann Ann::converted(Kind kind) const {
  if (size() == 0)
    throw Error{Errc::invalid_argument,
                "an index of kind " + std::string{name_of(kind)} + " needs vectors to learn from"};
  auto impl = std::make_unique<Impl>(kind, make_faiss_index(kind, dimension(), size()));
  guarded("build the index", [&] {
    std::vector<float> decoded;
    const auto* vectors = impl_->all_vectors(decoded);
    impl->index->train(impl_->index->ntotal, vectors);
    impl->index->add(impl_->index->ntotal, vectors);
    if (impl->cells != nullptr) impl->finish_cells();
  });
  return Ann{std::move(impl)};
}

void Ann::place(const Device& device) {
  impl_->copies.reset();
  std::string reason;
  if (device.type != Device::Type::cpu) {
    try {
      impl_->copies = std::make_unique<GpuCopies>(*impl_->index, impl_->kind, device);
    } catch (const Error& error) {
      reason = error.what();
    }
  }
  impl_->fallback.with([&](std::string& now) { now = std::move(reason); });
}

std::string Ann::device_fallback() const {
  return impl_->fallback.with([](const std::string& reason) { return reason; });
}

void Ann::add(MatrixView vectors) {
  check(vectors, dimension());
  if (impl_->copies != nullptr) {
    impl_->copies.reset();
    impl_->fallback.with([](std::string& reason) { reason = "vectors were added since the index was placed"; });
  }
  guarded("add vectors", [&] { impl_->index->add(static_cast<Id>(vectors.rows), vectors.data); });
}

Neighbours Ann::search(MatrixView queries, std::size_t k, const SearchOptions& options) const {
  check(queries, dimension());
  if (k == 0) throw Error{Errc::invalid_argument, "k must be at least 1"};
  if (options.allowed != nullptr && options.allowed->size() != size()) {
    throw Error{Errc::invalid_argument, "the mask of allowed rows has " + std::to_string(options.allowed->size()) +
                                            " rows, the index " + std::to_string(size())};
  }
  Neighbours found;
  guarded("search", [&] { found = impl_->search(queries, k, options); });
  return found;
}

void Ann::write(const std::filesystem::path& path) const {
  try {
    faiss::write_index(impl_->index.get(), path.c_str());
  } catch (const faiss::FaissException& error) {
    throw Error{Errc::internal, "cannot write " + path.string() + ": " + error.what()};
  }
}

Ann Ann::read(const std::filesystem::path& path, std::size_t dimension, std::size_t size) {
  auto [kind, index] = read_faiss_index(path, dimension, size);
  auto impl = std::make_unique<Impl>(kind, std::move(index));
  if (impl->cells != nullptr) guarded("map rows to cells", [&] { impl->finish_cells(); });
  return Ann{std::move(impl)};
}

}  // namespace driftd::index
