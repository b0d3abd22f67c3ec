#include "index/cells.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/invlists/InvertedLists.h>

#include <algorithm>
#include <optional>

#include "core/crew.hpp"
#include "index/one_thread.hpp"
#include "index/scan.hpp"

namespace driftd::index {
namespace {

using Id = faiss::Index::idx_t;

// Values in one query's cells from which on several cores read them.
constexpr std::size_t kShared = 1 << 20;

class Allowed final : public faiss::IDSelector {
 public:
  explicit Allowed(const RowMask& rows) : rows_{rows} {}
  bool is_member(Id row) const override { return rows_.test(static_cast<std::size_t>(row)); }

 private:
  const RowMask& rows_;
};

faiss::ArrayInvertedLists& lists_of(const faiss::IndexIVF& index) {
  return static_cast<faiss::ArrayInvertedLists&>(*index.invlists);
}

std::size_t dimension(const faiss::IndexIVF& index) {
  return static_cast<std::size_t>(index.d);
}

}  // namespace

std::size_t Cells::count() const {
  return index_->nlist;
}

std::size_t Cells::probed() const {
  return index_->nprobe;
}

void Cells::probe(std::size_t nprobe) {
  index_->nprobe = nprobe;
}

std::size_t Cells::usually_read(std::size_t nprobe) const {
  return static_cast<std::size_t>(index_->ntotal) / count() * nprobe;
}

void Cells::prepare() {
  auto& lists = lists_of(*index_);
  for (auto& codes : lists.codes) codes.shrink_to_fit();
  for (auto& ids : lists.ids) ids.shrink_to_fit();
  index_->direct_map = faiss::DirectMap{};  // not a file's own: it is not checked
  index_->make_direct_map();
}

std::vector<std::int64_t> Cells::choose(MatrixView queries, std::size_t nprobe) const {
  const auto& centroids = static_cast<const faiss::IndexFlat&>(*index_->quantizer);
  return scan(queries, {count(), dimension(*index_), centroids.get_xb()}, nprobe).rows;
}

// The second half of IndexIVF::search(), with statistics of our own: FAISS adds to its global ones without a lock.
Neighbours Cells::search(MatrixView queries, std::size_t k, const RowMask* mask,
                         std::span<const std::int64_t> chosen) const {
  std::optional<Allowed> allowed;
  if (mask != nullptr) allowed.emplace(*mask);
  const auto nprobe = queries.rows == 0 ? 0 : chosen.size() / queries.rows;
  const auto many = usually_read(nprobe) * dimension(*index_) >= kShared;
  const auto parts = queries.rows == 1 && many ? std::min(nprobe, cores().helpers() + 1) : 1;
  const auto width = k * parts;
  Neighbours found{width, std::vector<float>(queries.rows * width), std::vector<std::int64_t>(queries.rows * width)};
  cores().each(queries.rows * parts, [&](std::size_t task) {
    const OneThread alone;
    const auto q = task / parts;
    std::vector<Id> lists;
    for (auto p = task % parts; p < nprobe; p += parts) lists.push_back(chosen[q * nprobe + p]);
    const std::vector<float> unused(lists.size());  // the distances to centroids: of use for inner products only
    faiss::SearchParametersIVF parameters;
    parameters.sel = allowed ? &*allowed : nullptr;
    parameters.nprobe = lists.size();
    faiss::IndexIVFStats statistics;
    index_->search_preassigned(1, queries.row(q).data(), static_cast<Id>(k), lists.data(), unused.data(),
                               found.distances.data() + task * k, found.rows.data() + task * k, false, &parameters,
                               &statistics);
  });
  return found;
}

std::vector<Cell> Cells::vectors() const {
  const auto& lists = lists_of(*index_);
  std::vector<Cell> all;
  for (std::size_t list = 0; list < count(); ++list) {
    const auto rows = lists.ids[list].size();
    const auto* values = reinterpret_cast<const float*>(lists.codes[list].data());
    all.push_back({{rows, dimension(*index_), values}, {lists.ids[list].data(), rows}});
  }
  return all;
}

}  // namespace driftd::index
