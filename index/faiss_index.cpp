#include "index/faiss_index.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <typeinfo>
#include <vector>

#include "core/error.hpp"

namespace driftd::index {
namespace {

using Id = faiss::Index::idx_t;

constexpr int kSeed = 1234;
constexpr int kTrainingVectorsPerCell = 64;  // more move the centroids little and cost k-means time
constexpr auto kByte = faiss::ScalarQuantizer::QT_8bit;
constexpr auto kHalf = faiss::ScalarQuantizer::QT_fp16;

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

// Exactly these types: FAISS reads many more, some of which load libraries or map files.
std::optional<Kind> kind_of_type(const faiss::Index& index) {
  const auto& type = typeid(index);
  if (type == typeid(faiss::IndexFlatL2)) return Kind::flat;
  if (type == typeid(faiss::IndexIVFFlat)) return Kind::ivf;
  if (type == typeid(faiss::IndexScalarQuantizer)) {
    const auto code = static_cast<const faiss::IndexScalarQuantizer&>(index).sq.qtype;
    return code == kHalf ? Kind::fp16 : Kind::sq8;
  }
  if (type == typeid(faiss::IndexIVFScalarQuantizer)) return Kind::ivfsq8;
  return std::nullopt;
}

bool sound_codes(const faiss::ScalarQuantizer& quantiser, faiss::ScalarQuantizer::QuantizerType code,
                 std::size_t dimension) {
  return quantiser.qtype == code && quantiser.d == dimension &&
         quantiser.trained.size() == (code == kByte ? 2 * dimension : 0);
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
    case Kind::fp16:
    case Kind::sq8: {
      const auto& codes = static_cast<const faiss::IndexScalarQuantizer&>(index);
      return sound_codes(codes.sq, kind == Kind::sq8 ? kByte : kHalf, dimension) &&
             codes.code_size == dimension * (kind == Kind::sq8 ? 1 : 2) &&
             codes.codes.size() == static_cast<std::size_t>(index.ntotal) * codes.code_size;
    }
    case Kind::ivfsq8: {
      const auto& cells = static_cast<const faiss::IndexIVFScalarQuantizer&>(index);
      return sound_codes(cells.sq, kByte, dimension) && cells.code_size == dimension && cells.by_residual &&
             sound_cells(cells);
    }
  }
  return false;
}

}  // namespace

std::unique_ptr<faiss::Index> make_faiss_index(Kind kind, std::size_t dimension, std::size_t count) {
  switch (kind) {
    case Kind::flat:
      return std::make_unique<faiss::IndexFlatL2>(static_cast<Id>(dimension));
    case Kind::ivf:
      return make_cells<faiss::IndexIVFFlat>(dimension, count);
    case Kind::fp16:
      return std::make_unique<faiss::IndexScalarQuantizer>(static_cast<int>(dimension), kHalf);
    case Kind::sq8:
      return std::make_unique<faiss::IndexScalarQuantizer>(static_cast<int>(dimension), kByte);
    case Kind::ivfsq8:
      return make_cells<faiss::IndexIVFScalarQuantizer>(dimension, count, kByte);
  }
  return nullptr;
}

FaissIndex read_faiss_index(const std::filesystem::path& path, std::size_t dimension, std::size_t size) {
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
  return {*kind, std::move(index)};
}

}  // namespace driftd::index
