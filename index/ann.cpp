#include "index/ann.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <typeinfo>
#include <utility>

#include "core/error.hpp"

namespace driftd::index {
namespace {

using Id = faiss::Index::idx_t;

constexpr int kSeed = 1234;
constexpr int kTrainingVectorsPerCell = 64;  // more move the centroids little and cost k-means time
// Queries that search together. FAISS answers 20 and more through BLAS, whose rounding may choose another last cell for
// a batch than for one query.
constexpr std::size_t kBlock = 16;
constexpr auto kCode = faiss::ScalarQuantizer::QT_8bit;

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

// While it lives, OpenMP regions that this thread begins have one thread. For a few queries FAISS would wake a team: on
// a busy machine its members wait for each other many times longer than they work (40 s in place of 1 s, measured at
// low priority).
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

std::vector<std::int64_t> rows_of(const RowMask& mask) {
  std::vector<std::int64_t> rows;
  rows.reserve(mask.count());
  for (std::size_t w = 0; w < mask.words().size(); ++w) {
    for (auto word = mask.words()[w]; word != 0; word &= word - 1)
      rows.push_back(static_cast<std::int64_t>(64 * w) + std::countr_zero(word));
  }
  return rows;
}

// Runs a FAISS call that good arguments cannot fail, and translates what it throws nevertheless.
template <class F>
void guarded(const char* what, F&& call) {
  try {
    call();
  } catch (const faiss::FaissException& error) {
    throw Error{Errc::internal, std::string{"FAISS failed to "} + what + ": " + error.what()};
  }
}

template <class Cells, class... Options>
std::unique_ptr<faiss::IndexIVF> make_cells(std::size_t dimension, std::size_t count, Options... options) {
  const auto nlist = cells_for(count);
  auto centroids = std::make_unique<faiss::IndexFlatL2>(static_cast<Id>(dimension));
  auto cells = std::make_unique<Cells>(centroids.get(), dimension, nlist, options...);
  centroids.release();
  cells->own_fields = true;
  cells->nprobe = nlist;
  cells->cp.seed = kSeed;
  cells->cp.min_points_per_centroid = 1;  // cells_for() keeps to the rule; FAISS would only print
  cells->cp.max_points_per_centroid = kTrainingVectorsPerCell;
  return cells;
}

std::unique_ptr<faiss::Index> make_index(Kind kind, std::size_t dimension, std::size_t count) {
  switch (kind) {
    case Kind::flat:
      return std::make_unique<faiss::IndexFlatL2>(static_cast<Id>(dimension));
    case Kind::ivf:
      return make_cells<faiss::IndexIVFFlat>(dimension, count);
    case Kind::sq8:
      return std::make_unique<faiss::IndexScalarQuantizer>(static_cast<int>(dimension), kCode);
    case Kind::ivfsq8:
      return make_cells<faiss::IndexIVFScalarQuantizer>(dimension, count, kCode);
  }
  return nullptr;
}

// Exactly these types: FAISS reads many more, some of which load libraries or map files.
std::optional<Kind> kind_of_type(const faiss::Index& index) {
  const auto& type = typeid(index);
  if (type == typeid(faiss::IndexFlatL2)) return Kind::flat;
  if (type == typeid(faiss::IndexIVFFlat)) return Kind::ivf;
  if (type == typeid(faiss::IndexScalarQuantizer)) return Kind::sq8;
  if (type == typeid(faiss::IndexIVFScalarQuantizer)) return Kind::ivfsq8;
  return std::nullopt;
}

bool sound_codes(const faiss::ScalarQuantizer& quantiser, std::size_t dimension) {
  return quantiser.qtype == kCode && quantiser.d == dimension && quantiser.trained.size() == 2 * dimension;
}

// Cells that hold every row once, around as many centroids.
bool sound_cells(const faiss::IndexIVF& cells) {
  const auto* centroids = cells.quantizer;
  const auto* lists = cells.invlists;
  if (centroids == nullptr || lists == nullptr || cells.nlist < 1 || cells.nprobe < 1 || cells.nprobe > cells.nlist)
    return false;
  if (typeid(*centroids) != typeid(faiss::IndexFlatL2) || typeid(*lists) != typeid(faiss::ArrayInvertedLists))
    return false;
  if (centroids->d != cells.d || centroids->ntotal != static_cast<Id>(cells.nlist) ||
      lists->code_size != cells.code_size)
    return false;
  std::vector<bool> seen(static_cast<std::size_t>(cells.ntotal));
  for (std::size_t list = 0; list < cells.nlist; ++list) {
    const auto* ids = lists->get_ids(list);
    for (std::size_t i = 0; i < lists->list_size(list); ++i) {
      if (ids[i] < 0 || ids[i] >= cells.ntotal || seen[static_cast<std::size_t>(ids[i])]) return false;
      seen[static_cast<std::size_t>(ids[i])] = true;
    }
  }
  return std::all_of(seen.begin(), seen.end(), [](bool s) { return s; });
}

// What FAISS's reader leaves unchecked.
bool sound(const faiss::Index& index, Kind kind, std::size_t dimension) {
  if (index.metric_type != faiss::METRIC_L2 || !index.is_trained) return false;
  switch (kind) {
    case Kind::flat:
      return true;
    case Kind::ivf:
      return sound_cells(static_cast<const faiss::IndexIVF&>(index));
    case Kind::sq8: {
      const auto& codes = static_cast<const faiss::IndexScalarQuantizer&>(index);
      return sound_codes(codes.sq, dimension) && codes.code_size == dimension &&
             codes.codes.size() == static_cast<std::size_t>(index.ntotal) * dimension;
    }
    case Kind::ivfsq8: {
      const auto& cells = static_cast<const faiss::IndexIVFScalarQuantizer&>(index);
      return sound_codes(cells.sq, dimension) && cells.code_size == dimension && cells.by_residual &&
             sound_cells(cells);
    }
  }
  return false;
}

}  // namespace

struct Ann::Impl {
  Impl(Kind k, std::unique_ptr<faiss::Index> i)
      : kind{k}, index{std::move(i)}, cells{has_cells(k) ? static_cast<faiss::IndexIVF*>(index.get()) : nullptr} {}

  Kind kind;
  std::unique_ptr<faiss::Index> index;
  faiss::IndexIVF* cells;  // the index, where the kind has cells

  [[nodiscard]] std::size_t dimension() const { return static_cast<std::size_t>(index->d); }

  void search(MatrixView queries, std::size_t k, const SearchOptions& options, float* distances,
              std::int64_t* rows) const {
    std::optional<Allowed> allowed;
    if (options.allowed != nullptr) allowed.emplace(*options.allowed);
    faiss::SearchParametersIVF parameters;
    parameters.sel = allowed ? &*allowed : nullptr;
    parameters.nprobe = cells == nullptr ? 0 : options.all_cells ? cells->nlist : cells->nprobe;
    if (kind == Kind::flat) {
      index->search(static_cast<Id>(queries.rows), queries.data, static_cast<Id>(k), distances, rows, &parameters);
      return;
    }
    const auto blocks = (queries.rows + kBlock - 1) / kBlock;
    std::exception_ptr failure;  // none may leave the parallel region
#pragma omp parallel for schedule(dynamic) if (blocks > 1)
    for (std::size_t block = 0; block < blocks; ++block) {
      try {
        const auto first = block * kBlock;
        const MatrixView some{std::min(kBlock, queries.rows - first), queries.cols, queries.row(first).data()};
        search_block(some, k, parameters, distances + first * k, rows + first * k);
      } catch (...) {
#pragma omp critical
        failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
  }

  void search_block(MatrixView queries, std::size_t k, const faiss::SearchParametersIVF& parameters, float* distances,
                    std::int64_t* rows) const {
    const OneThread alone;
    if (cells != nullptr) return search_cells(queries, k, parameters, distances, rows);
    index->search(static_cast<Id>(queries.rows), queries.data, static_cast<Id>(k), distances, rows, &parameters);
  }

  // IndexIVF::search() in two steps, with statistics of our own: FAISS adds to its global ones without a lock.
  void search_cells(MatrixView queries, std::size_t k, const faiss::SearchParametersIVF& parameters, float* distances,
                    std::int64_t* rows) const {
    const auto n = static_cast<Id>(queries.rows);
    std::vector<float> centroid_distances(queries.rows * parameters.nprobe);
    std::vector<Id> chosen(queries.rows * parameters.nprobe);
    cells->quantizer->search(n, queries.data, static_cast<Id>(parameters.nprobe), centroid_distances.data(),
                             chosen.data());
    faiss::IndexIVFStats statistics;
    cells->search_preassigned(n, queries.data, static_cast<Id>(k), chosen.data(), centroid_distances.data(), distances,
                              rows, false, &parameters, &statistics);
  }

  // The k nearest of the given rows, each read. Its cost grows with the rows, not with the index.
  void search_rows(MatrixView queries, std::size_t k, std::span<const std::int64_t> rows, float* distances,
                   std::int64_t* found) const {
    std::vector<float> stored(dimension());
    std::vector<std::vector<std::pair<float, std::int64_t>>> nearest(queries.rows);
    for (const auto row : rows) {
      index->reconstruct(row, stored.data());
      for (std::size_t q = 0; q < queries.rows; ++q) {
        auto& heap = nearest[q];  // the farthest of the k on top
        const std::pair candidate{faiss::fvec_L2sqr(queries.row(q).data(), stored.data(), dimension()), row};
        if (heap.size() == k && heap.front() < candidate) continue;
        heap.push_back(candidate);
        std::push_heap(heap.begin(), heap.end());
        if (heap.size() <= k) continue;
        std::pop_heap(heap.begin(), heap.end());
        heap.pop_back();
      }
    }
    for (std::size_t q = 0; q < queries.rows; ++q) {
      std::fill_n(found + q * k, k, -1);
      for (std::size_t j = 0; j < nearest[q].size(); ++j)
        std::tie(distances[q * k + j], found[q * k + j]) = nearest[q][j];
    }
  }

  // Replaces the distances of one query by those to the stored vectors and restores the order, ties by row.
  void refine(const float* query, std::span<float> distances, std::span<std::int64_t> rows) const {
    std::vector<float> stored(dimension());
    std::vector<std::pair<float, std::int64_t>> found;
    for (const auto i : rows) {
      if (i < 0) continue;
      index->reconstruct(i, stored.data());
      found.emplace_back(std::sqrt(faiss::fvec_L2sqr(query, stored.data(), dimension())), i);
    }
    std::sort(found.begin(), found.end());
    for (std::size_t j = 0; j < rows.size(); ++j) {
      distances[j] = j < found.size() ? found[j].first : std::numeric_limits<float>::infinity();
      rows[j] = j < found.size() ? found[j].second : -1;
    }
  }

  void search_refined(MatrixView queries, std::size_t k, const SearchOptions& options, float* distances,
                      std::int64_t* rows) const {
    const auto count = options.allowed == nullptr ? static_cast<std::size_t>(index->ntotal) : options.allowed->count();
    if (count == 0) {  // FAISS claims to have found row 0 where k is 1
      std::fill_n(distances, queries.rows * k, std::numeric_limits<float>::infinity());
    } else if (options.allowed != nullptr && cells != nullptr && count <= usually_read()) {
      search_rows(queries, k, rows_of(*options.allowed), distances, rows);
    } else {
      search(queries, k, options, distances, rows);
    }
    const auto last = std::min(k, count);  // what a query can find
    for (std::size_t q = 0; q < queries.rows; ++q) {
      const MatrixView query{1, queries.cols, queries.row(q).data()};
      if (cells != nullptr && last > 0 && rows[q * k + last - 1] < 0)
        search(query, k, {options.allowed, true}, distances + q * k, rows + q * k);
      refine(query.data, {distances + q * k, k}, {rows + q * k, k});
    }
  }

  // Vectors in the cells of a query, on average.
  [[nodiscard]] std::size_t usually_read() const {
    return static_cast<std::size_t>(index->ntotal) / cells->nlist * cells->nprobe;
  }
};

Ann::Ann(std::size_t dimension) {
  if (dimension == 0) throw Error{Errc::invalid_argument, "an index needs a dimension of at least 1"};
  impl_ = std::make_unique<Impl>(Kind::flat, make_index(Kind::flat, dimension, 0));
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
  Matrix vectors{size(), dimension()};
  auto impl = std::make_unique<Impl>(kind, make_index(kind, dimension(), size()));
  guarded("build the index", [&] {
    impl_->index->reconstruct_n(0, impl_->index->ntotal, vectors.data.data());
    impl->index->train(impl_->index->ntotal, vectors.data.data());
    impl->index->add(impl_->index->ntotal, vectors.data.data());
    if (impl->cells != nullptr) impl->cells->make_direct_map();  // from a row to its place in a cell
  });
  return Ann{std::move(impl)};
}

void Ann::add(MatrixView vectors) {
  check(vectors, dimension());
  guarded("add vectors", [&] { impl_->index->add(static_cast<Id>(vectors.rows), vectors.data); });
}

Neighbours Ann::search(MatrixView queries, std::size_t k, const SearchOptions& options) const {
  check(queries, dimension());
  if (k == 0) throw Error{Errc::invalid_argument, "k must be at least 1"};
  if (options.allowed != nullptr && options.allowed->size() != size()) {
    throw Error{Errc::invalid_argument, "the mask of allowed rows has " + std::to_string(options.allowed->size()) +
                                            " rows, the index " + std::to_string(size())};
  }
  Neighbours found{k, std::vector<float>(queries.rows * k), std::vector<std::int64_t>(queries.rows * k, -1)};
  guarded("search", [&] { impl_->search_refined(queries, k, options, found.distances.data(), found.rows.data()); });
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
  std::unique_ptr<faiss::Index> index;
  try {
    index.reset(faiss::read_index(path.c_str()));
  } catch (const std::exception& error) {  // FaissException, bad_alloc, length_error: all mean a damaged file
    throw Error{Errc::corrupt, path.string() + " is no readable FAISS index: " + error.what()};
  }
  const auto kind = kind_of_type(*index);
  if (!kind || static_cast<std::size_t>(index->d) != dimension || static_cast<std::size_t>(index->ntotal) != size ||
      !sound(*index, *kind, dimension)) {
    throw Error{Errc::corrupt, path.string() + " does not hold the " + std::to_string(size) + " x " +
                                   std::to_string(dimension) +
                                   " index that the manifest names; restore it from a copy or build it again"};
  }
  auto impl = std::make_unique<Impl>(*kind, std::move(index));
  if (impl->cells != nullptr) {
    guarded("map rows to cells", [&] {
      impl->cells->direct_map = faiss::DirectMap{};  // not the file's own: it is not checked
      impl->cells->make_direct_map();
    });
  }
  return Ann{std::move(impl)};
}

}  // namespace driftd::index
