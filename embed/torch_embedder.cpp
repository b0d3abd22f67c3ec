// The one file that includes LibTorch: TorchScript and AOTInductor behind Embedder.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/script.h>

#include "core/error.hpp"
#include "embed/batch_plan.hpp"
#include "embed/embedder.hpp"

namespace driftd::embed {
namespace {

// Batch sizes that a TorchScript file, which takes any, is run with: LibTorch optimises a program anew for each size it
// meets.
constexpr std::size_t kTorchScriptSizes[] = {1, 8};
constexpr int kTimedRuns = 3;  // the first runs of a TorchScript program also compile it

using Program = std::function<at::Tensor(const at::Tensor&)>;

// What LibTorch threw, without its stack trace.
std::string reason(const std::exception& failure) {
  const auto* torch_failure = dynamic_cast<const c10::Error*>(&failure);
  const std::string text = torch_failure != nullptr ? torch_failure->what_without_backtrace() : failure.what();
  return text.substr(0, text.find('\n'));
}

// An AOTInductor file holds machine code; on a processor that lacks its instructions it would end the process.
void require_processor(const std::filesystem::path& path) {
  const auto metadata = torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(path.string(), "model");
  const auto found = metadata.find("AOTI_CPU_ISA");
  std::istringstream words{found == metadata.end() ? "" : found->second};
  for (std::string word; words >> word;) {
    const bool missing =
        (word == "AVX2" && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) ||
        (word == "AVX512" && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))) ||
        (word == "AVX512_VNNI" && !__builtin_cpu_supports("avx512vnni"));
    if (missing)
      throw Error{Errc::internal, path.string() + " was compiled for " + word +
                                      ", which this processor lacks; export the model on this machine"};
  }
}

Program load_torchscript(const std::filesystem::path& path) {
  auto module = torch::jit::load(path.string(), at::kCPU);
  module.eval();
  auto optimised = std::make_shared<torch::jit::Module>(torch::jit::optimize_for_inference(module));
  return [optimised](const at::Tensor& images) { return optimised->forward({images}).toTensor(); };
}

Program load_aotinductor(const std::filesystem::path& path) {
  require_processor(path);
  auto loader = std::make_shared<torch::inductor::AOTIModelPackageLoader>(path.string());
  return [loader](const at::Tensor& images) { return loader->run({images}).at(0); };
}

Program load_program(const Bundle::Weights& weights) try {
  return weights.format == Bundle::WeightsFormat::torchscript ? load_torchscript(weights.path)
                                                              : load_aotinductor(weights.path);
} catch (const Error&) {
  throw;
} catch (const std::exception& failure) {
  throw Error{Errc::internal, "LibTorch cannot load " + weights.path.string() + ": " + reason(failure)};
}

class TorchEmbedder final : public Embedder {
 public:
  TorchEmbedder(const Bundle& bundle, Bundle::WeightsFormat format, const EmbedderOptions& options)
      : name_{bundle.name},
        height_{bundle.preprocess.height},
        width_{bundle.preprocess.width},
        dimension_{bundle.dimension},
        threads_{options.threads},
        reproducible_{options.reproducible} {
    for (const Bundle::Weights& weights : bundle.weights) {
      if (weights.format == format) add_program(bundle, weights);
    }
  }

  [[nodiscard]] Matrix embed(MatrixView images) override {
    if (images.cols != input_size()) {
      throw Error{Errc::invalid_argument, "an image has " + std::to_string(images.cols) + " values; model " + name_ +
                                              " reads " + std::to_string(input_size())};
    }
    Matrix embeddings{images.rows, dimension_};
    std::size_t done = 0;
    for (const std::size_t size : plan_batches(images.rows, sizes_)) {
      const std::size_t count = std::min(size, images.rows - done);
      run(size, {count, images.cols, images.data + done * images.cols}, embeddings.data.data() + done * dimension_);
      done += count;
    }
    return embeddings;
  }

  [[nodiscard]] std::size_t preferred_batch() const override { return best_batch(sizes_); }

 private:
  [[nodiscard]] std::size_t input_size() const { return std::size_t{3} * height_ * width_; }

  void add_program(const Bundle& bundle, const Bundle::Weights& weights) {
    const Program program = load_program(weights);
    std::vector<std::size_t> sizes(std::begin(kTorchScriptSizes), std::end(kTorchScriptSizes));
    if (weights.batch > 0) sizes = {static_cast<std::size_t>(weights.batch)};
    for (const std::size_t size : sizes) {
      programs_[size] = program;
      verify(bundle, weights.path, size);
      sizes_.push_back({size, reproducible_ ? usual_cost(bundle, size) : measure(bundle, size)});
    }
  }

  // Recomputes the golden embeddings in batches of one size.
  void verify(const Bundle& bundle, const std::filesystem::path& path, std::size_t size) {
    const MatrixView input = bundle.golden_input;
    Matrix output{input.rows, dimension_};
    for (std::size_t row = 0; row < input.rows; row += size) {
      run(size, {std::min(size, input.rows - row), input.cols, input.data + row * input.cols},
          output.data.data() + row * dimension_);
    }
    float worst = 0;
    for (std::size_t i = 0; i < output.data.size(); ++i)
      worst = std::max(worst, std::abs(output.data[i] - bundle.golden_output.data[i]));
    if (worst > bundle.tolerance) {
      throw Error{Errc::corrupt, path.string() + " does not reproduce the golden embeddings: they differ by " +
                                     std::to_string(worst) + ", more than " + std::to_string(bundle.tolerance) +
                                     "; export the model on this machine"};
    }
  }

  // In images: what measure() finds for the default model, in proportion.
  static double usual_cost(const Bundle& bundle, std::size_t size) {
    const auto images = static_cast<double>(size);
    return bundle.precision == "fp32" ? 1.3 * images - 0.3 : images + 0.5;
  }

  // Seconds that one run takes, at best. Which size is worth its while depends on model, precision and caches:
  // EfficientNet-Lite0 gains from batch 8 in bf16 and loses a third of its speed or more by it in fp32.
  double measure(const Bundle& bundle, std::size_t size) {
    std::vector<float> embedding(dimension_);
    std::chrono::duration<double> best{std::chrono::hours{1}};
    for (int i = 0; i < kTimedRuns; ++i) {
      const auto start = std::chrono::steady_clock::now();
      run(size, {1, input_size(), bundle.golden_input.data.data()}, embedding.data());
      best = std::min<std::chrono::duration<double>>(best, std::chrono::steady_clock::now() - start);
    }
    return std::max(best.count(), 1e-9);
  }

  // Runs one batch, padded with zeros to size, and writes images.rows embeddings to out.
  void run(std::size_t size, MatrixView images, float* out) try {
    set_threads();
    const c10::InferenceMode inference;
    const auto full = static_cast<std::int64_t>(size);
    const auto rows = static_cast<std::int64_t>(images.rows);
    // LibTorch has no tensor of const data; the programs only read their input.
    at::Tensor batch = at::from_blob(const_cast<float*>(images.data), {rows, 3, height_, width_}, at::kFloat);
    if (rows < full) batch = at::constant_pad_nd(batch, {0, 0, 0, 0, 0, 0, 0, full - rows});
    const at::Tensor result = programs_.at(size)(batch).contiguous();
    if (result.scalar_type() != at::kFloat || result.dim() != 2 || result.size(0) != full ||
        result.size(1) != static_cast<std::int64_t>(dimension_)) {
      throw Error{
          Errc::internal,
          "model " + name_ + " returned a tensor of another shape or type than model.json says; export it again"};
    }
    const float* values = result.const_data_ptr<float>();
    const std::size_t count = images.rows * dimension_;
    if (!std::all_of(values, values + count, [](float value) { return std::isfinite(value); })) {
      throw Error{Errc::internal, "model " + name_ + " returned a value that is not finite"};
    }
    std::copy_n(values, count, out);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    throw Error{Errc::internal, "model " + name_ + " failed: " + reason(failure)};
  }

  // OpenMP keeps its thread count for each thread, and the thread that runs need not be the one that loaded.
  void set_threads() const {
    thread_local int current = 0;
    const int wanted = threads_ > 0 ? threads_ : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    if (std::exchange(current, wanted) != wanted) at::set_num_threads(wanted);
  }

  const std::string name_;
  const std::int64_t height_;
  const std::int64_t width_;
  const std::size_t dimension_;
  const int threads_;
  const bool reproducible_;
  // Constant after construction.
  std::map<std::size_t, Program> programs_;  // by batch size
  std::vector<BatchSize> sizes_;
};

}  // namespace

std::unique_ptr<Embedder> load_embedder(const Bundle& bundle, const EmbedderOptions& options) {
  using Format = EmbedderOptions::Format;
  const auto has = [&](Bundle::WeightsFormat format) {
    return std::ranges::find(bundle.weights, format, &Bundle::Weights::format) != bundle.weights.end();
  };
  const bool script = options.format != Format::aotinductor && has(Bundle::WeightsFormat::torchscript);
  const bool compiled = options.format != Format::torchscript && has(Bundle::WeightsFormat::aotinductor);
  if (!script && !compiled) {
    throw Error{Errc::not_found, "the bundle " + bundle.directory.string() +
                                     " has no weights of the wanted format; export the model with it"};
  }
  if (compiled) {
    try {
      return std::make_unique<TorchEmbedder>(bundle, Bundle::WeightsFormat::aotinductor, options);
    } catch (const Error& failure) {
      if (!script || failure.code() != Errc::internal) throw;
    }
  }
  return std::make_unique<TorchEmbedder>(bundle, Bundle::WeightsFormat::torchscript, options);
}

}  // namespace driftd::embed
