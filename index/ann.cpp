#include "index/ann.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace driftd::index {
namespace {

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

}  // namespace

struct Ann::Impl {
  std::unique_ptr<faiss::IndexFlatL2> flat;

  [[nodiscard]] std::size_t dimension() const { return static_cast<std::size_t>(flat->d); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(flat->ntotal); }
  [[nodiscard]] const float* row(std::int64_t i) const { return flat->get_xb() + static_cast<std::size_t>(i) * dimension(); }

  // Replaces the distances of one query by exact ones and restores the order, ties by row.
  void refine(const float* query, std::span<float> distances, std::span<std::int64_t> rows) const {
    std::vector<std::pair<float, std::int64_t>> found;
    for (const auto i : rows) {
      if (i >= 0) found.emplace_back(std::sqrt(faiss::fvec_L2sqr(query, row(i), dimension())), i);
    }
    std::sort(found.begin(), found.end());
    for (std::size_t j = 0; j < rows.size(); ++j) {
      distances[j] = j < found.size() ? found[j].first : std::numeric_limits<float>::infinity();
      rows[j] = j < found.size() ? found[j].second : -1;
    }
  }
};

Ann::Ann(std::size_t dimension) : impl_{std::make_unique<Impl>()} {
  if (dimension == 0) throw Error{Errc::invalid_argument, "an index needs a dimension of at least 1"};
  impl_->flat = std::make_unique<faiss::IndexFlatL2>(static_cast<faiss::Index::idx_t>(dimension));
}
Ann::Ann(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Ann::~Ann() = default;
Ann::Ann(Ann&&) noexcept = default;
Ann& Ann::operator=(Ann&&) noexcept = default;

std::size_t Ann::size() const { return impl_->size(); }
std::size_t Ann::dimension() const { return impl_->dimension(); }
std::span<const float> Ann::vector(std::size_t row) const { return {impl_->row(static_cast<std::int64_t>(row)), dimension()}; }

void Ann::add(MatrixView vectors) {
  check(vectors, dimension());
  impl_->flat->add(static_cast<faiss::Index::idx_t>(vectors.rows), vectors.data);
}

Neighbours Ann::search(MatrixView queries, std::size_t k) const {
  check(queries, dimension());
  if (k == 0) throw Error{Errc::invalid_argument, "k must be at least 1"};
  Neighbours found{k, std::vector<float>(queries.rows * k), std::vector<std::int64_t>(queries.rows * k, -1)};
  if (queries.rows == 0) return found;
  try {
    impl_->flat->search(static_cast<faiss::Index::idx_t>(queries.rows), queries.data, static_cast<faiss::Index::idx_t>(k),
                        found.distances.data(), found.rows.data());
  } catch (const faiss::FaissException& error) {
    throw Error{Errc::internal, std::string{"FAISS search failed: "} + error.what()};
  }
  for (std::size_t q = 0; q < queries.rows; ++q) {
    impl_->refine(queries.row(q).data(), std::span{found.distances}.subspan(q * k, k), std::span{found.rows}.subspan(q * k, k));
  }
  return found;
}

void Ann::write(const std::filesystem::path& path) const {
  try {
    faiss::write_index(impl_->flat.get(), path.c_str());
  } catch (const faiss::FaissException& error) {
    throw Error{Errc::internal, "cannot write " + path.string() + ": " + error.what()};
  }
}

Ann Ann::read(const std::filesystem::path& path, std::size_t dimension, std::size_t size) {
  std::unique_ptr<faiss::Index> any;
  try {
    any.reset(faiss::read_index(path.c_str()));
  } catch (const std::exception& error) {  // FaissException, bad_alloc, length_error: all mean a damaged file
    throw Error{Errc::corrupt, path.string() + " is no readable FAISS index: " + error.what()};
  }
  auto impl = std::make_unique<Impl>();
  if (auto* flat = dynamic_cast<faiss::IndexFlatL2*>(any.get())) {
    any.release();
    impl->flat.reset(flat);
  }
  if (!impl->flat || impl->dimension() != dimension || impl->size() != size) {
    throw Error{Errc::corrupt, path.string() + " does not hold the " + std::to_string(size) + " x " + std::to_string(dimension) +
                                   " exact index that the manifest names"};
  }
  return Ann{std::move(impl)};
}

}  // namespace driftd::index
