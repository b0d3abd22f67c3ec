#include "index/gpu.hpp"

#include <cuda_runtime_api.h>
#include <faiss/IndexIVF.h>
#include <faiss/gpu/GpuCloner.h>
#include <faiss/gpu/StandardGpuResources.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace driftd::index {
namespace {

using Id = faiss::Index::idx_t;

constexpr std::size_t kMostSelected = 2048;  // k and nprobe: FAISS's limit on a GPU
constexpr std::size_t kQueries = 4096;       // in one call, whose answers need room on the device

// FAISS's messages run over lines.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

void check_alive(int device) {
  std::size_t free = 0;
  std::size_t total = 0;
  auto status = cudaSetDevice(device);
  if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // it is told now
  throw Error{Errc::internal, "cuda:" + std::to_string(device) + " does not answer: " + cudaGetErrorString(status)};
}

std::vector<int> numbers_of(const Device& device) {
  const auto count = gpu_count();
  if (count == 0)
    throw Error{Errc::not_found, name_of(device) + ": CUDA sees no GPU; is its driver loaded (nvidia-smi)?"};
  if (device.type == Device::Type::cuda) {
    if (device.number < count) return {device.number};
    throw Error{Errc::not_found, name_of(device) + ": CUDA sees " + std::to_string(count) + " GPUs, counted from 0"};
  }
  std::vector<int> all;
  for (int number = 0; number < count; ++number) all.push_back(number);
  return all;
}

struct Copy {
  Copy(const faiss::Index& original, int number) : device{number} {
    index.reset(faiss::gpu::index_cpu_to_gpu(&resources, device, &original));
  }

  int device;
  faiss::gpu::StandardGpuResources resources;
  std::unique_ptr<faiss::Index> index;  // before the resources, of which it takes memory, it goes
  std::mutex busy;                      // guards the above
};

}  // namespace

int gpu_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}

struct GpuCopies::Impl {
  std::vector<std::unique_ptr<Copy>> copies;
  mutable std::atomic<std::size_t> next{0};

  // A copy that is free, else the next in turn.
  [[nodiscard]] std::pair<Copy&, std::unique_lock<std::mutex>> take() const {
    const auto first = next++;
    for (std::size_t i = 0; i < copies.size(); ++i) {
      auto& copy = *copies[(first + i) % copies.size()];
      if (std::unique_lock lock{copy.busy, std::try_to_lock}) return {copy, std::move(lock)};
    }
    auto& copy = *copies[first % copies.size()];
    return {copy, std::unique_lock{copy.busy}};
  }
};

GpuCopies::GpuCopies(const faiss::Index& index, Kind kind, const Device& device) : impl_{std::make_unique<Impl>()} {
  if (kind == Kind::sq8 || kind == Kind::fp16) {
    throw Error{Errc::not_found, name_of(device) + ": FAISS has no GPU search for " + std::string{name_of(kind)} +
                                     "; flat, ivf and ivfsq8 have one"};
  }
  for (const auto number : numbers_of(device)) {
    check_alive(number);
    try {
      impl_->copies.push_back(std::make_unique<Copy>(index, number));
    } catch (const faiss::FaissException& error) {
      throw Error{Errc::overloaded,
                  "the index does not fit cuda:" + std::to_string(number) + ": " + one_line(error.what())};
    }
  }
}

GpuCopies::~GpuCopies() = default;

Neighbours GpuCopies::search(MatrixView queries, std::size_t k, std::size_t nprobe) const {
  if (std::max(k, nprobe) > kMostSelected) {
    throw Error{Errc::invalid_argument, "a GPU finds at most " + std::to_string(kMostSelected) +
                                            " neighbours in as many cells, not " + std::to_string(k) + " in " +
                                            std::to_string(nprobe)};
  }
  Neighbours found{k, std::vector<float>(queries.rows * k), std::vector<std::int64_t>(queries.rows * k, -1)};
  const auto [copy, lock] = impl_->take();
  check_alive(copy.device);
  faiss::SearchParametersIVF cells;
  cells.nprobe = nprobe;
  try {
    for (std::size_t first = 0; first < queries.rows; first += kQueries) {
      const auto now = static_cast<Id>(std::min(kQueries, queries.rows - first));
      copy.index->search(now, queries.row(first).data(), static_cast<Id>(k), found.distances.data() + first * k,
                         found.rows.data() + first * k, nprobe > 0 ? &cells : nullptr);
    }
  } catch (const faiss::FaissException& error) {
    throw Error{Errc::internal, "cuda:" + std::to_string(copy.device) + " failed to search: " + one_line(error.what())};
  }
  return found;
}

}  // namespace driftd::index
