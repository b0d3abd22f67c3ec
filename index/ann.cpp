#include "index/ann.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "core/crew.hpp"
#include "core/error.hpp"
#include "core/guarded.hpp"
#include "index/cells.hpp"
#include "index/faiss_index.hpp"
#include "index/gpu.hpp"
#include "index/one_thread.hpp"
#include "index/scan.hpp"
#include "index/sketch.hpp"

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

void check_range(std::span<const float> values) {
  constexpr float kLargestHalf = 65504;
  const auto large = std::ranges::find_if(values, [](float v) { return std::abs(v) > kLargestHalf; });
  if (large != values.end()) {
    throw Error{Errc::invalid_argument, "a vector holds the value " + std::to_string(*large) +
                                            ", and an index of kind fp16 at most 65504; choose another kind"};
  }
}

std::vector<std::int64_t> rows_of(const Neighbours& found, std::size_t query) {
  std::vector<std::int64_t> rows;
  std::ranges::copy_if(std::span{found.rows}.subspan(query * found.k, found.k), std::back_inserter(rows),
                       [](std::int64_t row) { return row >= 0; });
  return rows;
}

// A device's distances lose the small differences: it finds so many more, of which the nearest are kept.
constexpr std::size_t kSpare = 16;

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
  Impl(Kind k, std::unique_ptr<faiss::Index> i) : kind{k}, index{std::move(i)} {
    if (has_cells(kind)) cells.emplace(static_cast<faiss::IndexIVF&>(*index));
  }

  Kind kind;
  std::unique_ptr<faiss::Index> index;
  std::optional<Cells> cells;    // of the index, where the kind has them
  std::optional<Sketch> sketch;  // of whole vectors, where there are enough

  std::unique_ptr<GpuCopies> copies;
  mutable Guarded<std::string> fallback;  // why the copies do not answer

  [[nodiscard]] std::size_t dimension() const { return static_cast<std::size_t>(index->d); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(index->ntotal); }

  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k, const SearchOptions& options) const {
    const auto* allowed = options.allowed;
    const auto count = allowed == nullptr ? size() : allowed->count();
    const auto refined = [&](const Neighbours& rough) {
      return nearest(queries, k, [&](MatrixView, std::size_t q) { return rows_of(rough, q); }, count, allowed);
    };
    const auto sketched = [&](const Neighbours& candidates) {
      const auto rows = [&](MatrixView query, std::size_t q) { return worth_reading(query, k, candidates, q); };
      return nearest(queries, k, rows, count, allowed);
    };
    if (const auto rough = search_device(queries, k, options)) return refined(*rough);
    if (kind == Kind::flat) {
      if (sketch) {
        if (const auto candidates = sketch->candidates(queries, k, allowed)) return sketched(*candidates);
      }
      return scan(queries, flat_rows(), k, allowed);
    }
    if (kind == Kind::fp16) return search_halves(queries, k, allowed);
    if (kind == Kind::sq8) return refined(search_bytes(queries, k, allowed));
    if (count == 0 || (allowed != nullptr && count <= cells->usually_read()))
      return scan(queries, size(), reader(), k, allowed);
    const auto chosen = cells->choose(queries, options.all_cells ? cells->count() : cells->probed());
    if (sketch) {
      if (const auto candidates = sketch->candidates(queries, k, allowed, chosen)) return sketched(*candidates);
    }
    return refined(cells->search(queries, k, allowed, chosen));
  }

  [[nodiscard]] MatrixView flat_rows() const {
    return {size(), dimension(), static_cast<const faiss::IndexFlat&>(*index).get_xb()};
  }

  // What a search needs that neither adding rows first, first + 1 and so on nor reading makes.
  void finish(std::size_t first) {
    if (cells) cells->prepare();
    const bool sketched = (kind == Kind::flat || kind == Kind::ivf) && Sketch::pays(size(), dimension());
    if (!sketched) return sketch.reset();
    if (cells) {
      sketch.emplace(cells->vectors());
    } else if (sketch) {
      const auto rows = flat_rows();
      sketch->add({rows.rows - first, rows.cols, rows.data + first * rows.cols});
    } else {
      sketch.emplace(flat_rows());
    }
  }

  // candidates(query, q): rows. Of them the k nearest to each query, at the distances that a scan of the stored vectors
  // finds. Where the cells held fewer than there are, all rows are read.
  template <class Candidates>
  [[nodiscard]] Neighbours nearest(MatrixView queries, std::size_t k, const Candidates& candidates, std::size_t count,
                                   const RowMask* allowed) const {
    Neighbours found{k, std::vector<float>(queries.rows * k), std::vector<std::int64_t>(queries.rows * k)};
    cores().each(queries.rows, [&](std::size_t q) {
      const MatrixView query{1, queries.cols, queries.row(q).data()};
      std::vector<std::int64_t> rows = candidates(query, q);
      std::ranges::sort(rows);  // so that equal distances are ordered by row
      Neighbours answer;
      if (rows.size() >= std::min(k, count)) {
        answer = scan(query, stored(rows), k, nullptr, 1);
        for (auto& row : answer.rows) row = row < 0 ? -1 : rows[static_cast<std::size_t>(row)];
      } else {
        answer = scan(query, size(), reader(), k, allowed, 1);
      }
      std::ranges::copy(answer.distances, found.distances.begin() + q * k);
      std::ranges::copy(answer.rows, found.rows.begin() + q * k);
    });
    return found;
  }

  // Of a query's candidates those that may be among the nearest once the k most promising are known: the second phase
  // of a vector approximation file.
  [[nodiscard]] std::vector<std::int64_t> worth_reading(MatrixView query, std::size_t k, const Neighbours& candidates,
                                                        std::size_t q) const {
    auto rows = rows_of(candidates, q);
    if (rows.size() <= k) return rows;
    const auto best = scan(query, stored(std::span{rows}.first(k)), k, nullptr, 1);
    const auto bounds = std::span{candidates.distances}.subspan(q * candidates.k, rows.size());
    std::size_t kept = k;
    for (auto i = k; i < rows.size(); ++i)
      if (bounds[i] <= best.distances.back()) rows[kept++] = rows[i];
    rows.resize(kept);
    return rows;
  }

  [[nodiscard]] Matrix stored(std::span<const std::int64_t> rows) const {
    Matrix vectors{rows.size(), dimension()};
    reader()(rows, vectors.data.data());
    return vectors;
  }

  // What a device finds; nothing where there is none or it cannot.
  [[nodiscard]] std::optional<Neighbours> search_device(MatrixView queries, std::size_t k,
                                                        const SearchOptions& options) const {
    if (copies == nullptr || options.allowed != nullptr || options.all_cells || size() == 0) return std::nullopt;
    try {
      auto found = copies->search(queries, std::min(size(), k + kSpare), cells ? cells->probed() : 0);
      fallback.with([](std::string& reason) { reason.clear(); });
      return found;
    } catch (const Error& error) {
      fallback.with([&](std::string& reason) { reason = error.what(); });
      return std::nullopt;
    }
  }

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

  [[nodiscard]] Neighbours search_halves(MatrixView queries, std::size_t k, const RowMask* allowed) const {
    const auto& coded = static_cast<const faiss::IndexScalarQuantizer&>(*index);
    const auto* halves = reinterpret_cast<const std::uint16_t*>(coded.codes.data());
    return scan(queries, CodedRows{.count = size(), .halves = halves}, k, allowed);
  }

  // Through vectors decoded several times as fast as FAISS decodes them, and to within a rounding error the same.
  [[nodiscard]] Neighbours search_bytes(MatrixView queries, std::size_t k, const RowMask* allowed) const {
    const auto& coded = static_cast<const faiss::IndexScalarQuantizer&>(*index);
    const auto width = dimension();
    const std::span least{coded.sq.trained.data(), width};
    const std::span range{coded.sq.trained.data() + width, width};
    std::vector<float> offset(width);  // a code stands for the middle of its 256th of the range
    std::vector<float> step(width);
    for (std::size_t j = 0; j < width; ++j) {
      step[j] = range[j] / 255;
      offset[j] = least[j] + step[j] / 2;
    }
    return scan(queries, CodedRows{.count = size(), .bytes = coded.codes.data(), .offset = offset, .step = step}, k,
                allowed);
  }

  // Row-major; in `space` where they are not stored as they are.
  [[nodiscard]] const float* all_vectors(std::vector<float>& space) const {
    if (kind == Kind::flat) return flat_rows().data;
    space.resize(size() * dimension());
    index->reconstruct_n(0, index->ntotal, space.data());
    return space.data();
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
  return impl_->cells ? impl_->cells->count() : 0;
}
std::size_t Ann::nprobe() const {
  return impl_->cells ? impl_->cells->probed() : 0;
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
  impl_->cells->probe(nprobe);
}

Ann Ann::converted(Kind kind) const {
  if (size() == 0)
    throw Error{Errc::invalid_argument,
                "an index of kind " + std::string{name_of(kind)} + " needs vectors to learn from"};
  auto impl = std::make_unique<Impl>(kind, make_faiss_index(kind, dimension(), size()));
  guarded("build the index", [&] {
    std::vector<float> decoded;
    const auto* vectors = impl_->all_vectors(decoded);
    if (kind == Kind::fp16) check_range(std::span{vectors, size() * dimension()});
    impl->index->train(impl_->index->ntotal, vectors);
    impl->index->add(impl_->index->ntotal, vectors);
    impl->finish(0);
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
  if (kind() == Kind::fp16) check_range(std::span{vectors.data, vectors.rows * vectors.cols});
  if (impl_->copies != nullptr) {
    impl_->copies.reset();
    impl_->fallback.with([](std::string& reason) { reason = "vectors were added since the index was placed"; });
  }
  const auto first = size();
  guarded("add vectors", [&] {
    impl_->index->add(static_cast<Id>(vectors.rows), vectors.data);
    impl_->finish(first);
  });
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
  guarded("prepare the index", [&] { impl->finish(0); });
  return Ann{std::move(impl)};
}

}  // namespace driftd::index
