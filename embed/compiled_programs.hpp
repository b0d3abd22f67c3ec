// The AOTInductor programs of a bundle: one for each batch size, each file with all the weights in it. Weights that
// are the same in several programs are in memory once.
//
// LibTorch copies weights to where malloc() puts them, which is 16 bytes behind the beginning of a page: reads of 64
// bytes then take two lines of the cache each, and a convolution up to twice its time. The copy here begins where a
// page of 2 MiB does, each weight where a line does; LibTorch's is freed.
//
// One thread loads; programs are thread-safe, as many runs at a time as are asked for. Errors: Errc::internal for a
// file that this processor cannot run, c10::Error for one that LibTorch cannot load.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace at {
class Tensor;
}

namespace driftd::embed {

// Images (N, height, width, 3) to embeddings (N, dimension).
using Program = std::function<at::Tensor(const at::Tensor&)>;

class CompiledPrograms {
 public:
  // runs: how many of each program may be under way at the same time.
  explicit CompiledPrograms(std::size_t runs) : runs_{runs} {}

  [[nodiscard]] Program load(const std::filesystem::path& path);

  // Where the weights of all programs lie: for each what those before it lacked. Nothing where they had to stay where
  // LibTorch keeps them.
  [[nodiscard]] std::vector<std::span<const std::byte>> weights() const;

 private:
  struct Weights;
  using Constants = std::unordered_map<std::string, at::Tensor>;

  [[nodiscard]] const at::Tensor* find(const std::string& name, const at::Tensor& weight) const;  // null: nowhere
  [[nodiscard]] Constants shared(const Constants& own);

  std::size_t runs_;
  std::vector<std::shared_ptr<const Weights>> weights_;
};

}  // namespace driftd::embed
