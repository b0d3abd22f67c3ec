#include "core/error.hpp"
#include "index/gpu.hpp"

namespace driftd::index {

struct GpuCopies::Impl {};

GpuCopies::GpuCopies(const faiss::Index&, Kind, const Device& device) {
  throw Error{Errc::not_found,
              name_of(device) + ": this driftd was built without GPU search; build it with the preset cuda"};
}

GpuCopies::~GpuCopies() = default;

Neighbours GpuCopies::search(MatrixView, std::size_t, std::size_t) const {
  throw Error{Errc::internal, "there is no GPU copy to search"};
}

int gpu_count() {
  return 0;
}

}  // namespace driftd::index
