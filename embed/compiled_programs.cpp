#include "embed/compiled_programs.hpp"

#include <algorithm>
#include <span>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/from_blob.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/inductor/aoti_torch/tensor_converter.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>

#include "core/error.hpp"
#include "core/huge_pages.hpp"

namespace driftd::embed {
namespace {

using Loader = torch::inductor::AOTIModelPackageLoader;

// An AOTInductor file holds machine code; on a processor that lacks its instructions it would end the process.
void require_processor(const std::filesystem::path& path) {
  const auto metadata = Loader::load_metadata_from_package(path.string(), "model");
  const auto found = metadata.find("AOTI_CPU_ISA");
  std::istringstream words{found == metadata.end() ? "" : found->second};
  for (std::string word; words >> word;) {
    const bool missing =
        (word == "AVX2" && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) ||
        (word == "AVX512" && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))) ||
        (word == "AVX512_VNNI" && !__builtin_cpu_supports("avx512vnni")) ||
        (word == "AMX_TILE" && !__builtin_cpu_supports("amx-tile"));  // its weights are packed for tiles
    if (missing)
      throw Error{Errc::internal, path.string() + " was compiled for " + word +
                                      ", which this processor lacks; export the model on this machine"};
  }
}

template <class Signature>
auto operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

void require(AOTITorchError error) {
  if (error != AOTI_TORCH_SUCCESS)
    throw Error{Errc::internal, "LibTorch cannot say where a weight lies, or use it elsewhere"};
}

// What is packed for oneDNN has no public address, and a description that says how; the following are the ways by which
// LibTorch writes and reads AOTInductor's files.
std::span<const std::byte> bytes_of(const at::Tensor& weight) {
  if (!weight.is_mkldnn()) return {static_cast<const std::byte*>(weight.const_data_ptr()), weight.nbytes()};
  static const auto size = operation<std::int64_t(const at::Tensor&)>("mkldnn::_nbytes");
  at::Tensor packed = weight;
  void* address = nullptr;
  require(aoti_torch_get_data_ptr(torch::aot_inductor::tensor_pointer_to_tensor_handle(&packed), &address));
  return {static_cast<const std::byte*>(address), static_cast<std::size_t>(size.call(weight))};
}

at::Tensor description_of(const at::Tensor& packed) {
  static const auto description = operation<at::Tensor(const at::Tensor&)>("mkldnn::_get_mkldnn_serialized_md");
  return description.call(packed);
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_mkldnn() != b.is_mkldnn() || a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) return false;
  const bool alike = a.is_mkldnn() ? std::ranges::equal(bytes_of(description_of(a)), bytes_of(description_of(b)))
                                   : a.strides() == b.strides();
  return alike && std::ranges::equal(bytes_of(a), bytes_of(b));
}

// The same weight with its bytes elsewhere.
at::Tensor with_bytes_at(std::byte* address, const at::Tensor& weight) {
  if (!weight.is_mkldnn()) return at::from_blob(address, weight.sizes(), weight.strides(), weight.options());
  const auto description = description_of(weight);
  const auto sizes = weight.sizes();
  const std::vector<std::int64_t> no_strides(sizes.size());
  AtenTensorHandle tensor = nullptr;
  require(aoti_torch_create_tensor_from_blob_v2(
      address, weight.dim(), sizes.data(), no_strides.data(), 0, static_cast<std::int32_t>(weight.scalar_type()),
      aoti_torch_device_type_cpu(), 0, &tensor, static_cast<std::int32_t>(at::kMkldnn),
      description.const_data_ptr<std::uint8_t>(), description.numel()));
  return torch::aot_inductor::alloc_tensors_by_stealing_from_handles(&tensor, 1).front();
}

constexpr std::size_t in_lines(std::size_t bytes) {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

}  // namespace

struct CompiledPrograms::Weights {
  std::vector<std::byte, HugePageAllocator<std::byte>> bytes;
  Constants constants;  // in these bytes

  explicit Weights(const Constants& own) {
    std::size_t size = 0;
    for (const auto& [name, weight] : own) size += in_lines(bytes_of(weight).size());
    bytes.resize(size);
    auto* next = bytes.data();
    for (const auto& [name, weight] : own) {
      const auto from = bytes_of(weight);
      std::ranges::copy(from, next);
      constants.emplace(name, with_bytes_at(next, weight));
      next += in_lines(from.size());
    }
  }

  // Null where there is none with the same bits.
  [[nodiscard]] const at::Tensor* find(const std::string& name, const at::Tensor& weight) const {
    const auto mine = constants.find(name);
    return mine != constants.end() && same_bits(mine->second, weight) ? &mine->second : nullptr;
  }
};

Program CompiledPrograms::load(const std::filesystem::path& path) {
  require_processor(path);
  const auto loader = std::make_shared<Loader>(path.string(), "model", false, runs_);
  auto& runner = *loader->get_runner();
  const auto own = runner.extract_constants_map(false);
  // By name: where two weights have one, or none, they cannot be told apart.
  const auto movable = [](const auto& weight) {
    return weight.second.is_mkldnn() || weight.second.is_non_overlapping_and_dense();
  };
  const bool known = own.size() == runner.getConstantNamesToOriginalFQNs().size() && std::ranges::all_of(own, movable);
  if (known) {
    auto constants = shared(own);
    constexpr bool inactive = true;
    constexpr bool all = true;
    constexpr bool as_they_are = true;
    loader->load_constants(constants, inactive, all, as_they_are);
    runner.swap_constant_buffer();
    runner.free_inactive_constant_buffer();
  }
  return [weights = weights_, loader](const at::Tensor& images) { return loader->run({images}).at(0); };
}

const at::Tensor* CompiledPrograms::find(const std::string& name, const at::Tensor& weight) const {
  for (const auto& weights : weights_)
    if (const at::Tensor* same = weights->find(name, weight)) return same;
  return nullptr;
}

// Those of a program, each where another has it already, or else in a copy that others may use. A few differ: for some
// layers oneDNN orders the weights of one batch size otherwise than those of another.
CompiledPrograms::Constants CompiledPrograms::shared(const Constants& own) {
  Constants found;
  Constants missing;
  for (const auto& [name, weight] : own) {
    if (const at::Tensor* same = find(name, weight))
      found.emplace(name, *same);
    else
      missing.emplace(name, weight);
  }
  if (missing.empty()) return found;
  weights_.push_back(std::make_shared<const Weights>(missing));
  found.insert(weights_.back()->constants.begin(), weights_.back()->constants.end());
  return found;
}

std::vector<std::span<const std::byte>> CompiledPrograms::weights() const {
  std::vector<std::span<const std::byte>> places;
  for (const auto& weights : weights_) places.emplace_back(weights->bytes);
  return places;
}

}  // namespace driftd::embed
