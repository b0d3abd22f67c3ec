// TorchScript and AOTInductor behind Embedder.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <omp.h>
#include <sched.h>
#include <torch/script.h>
#include <unistd.h>

#include "core/core_set.hpp"
#include "core/crew.hpp"
#include "core/error.hpp"
#include "embed/batch_plan.hpp"
#include "embed/compiled_programs.hpp"
#include "embed/embedder.hpp"

namespace driftd::embed {
namespace {

// Batch sizes that a TorchScript file, which takes any, is run with: LibTorch optimises a program anew for each size it
// meets.
constexpr std::size_t kTorchScriptSizes[] = {1, 8};

// While it lives, so many threads share the loops of the calling thread. OpenMP keeps the count for each thread;
// at::set_num_threads() is for the whole process.
class Team {
 public:
  explicit Team(std::size_t threads) {
    (void)at::get_num_threads();  // LibTorch sets a thread's count once, when it is first asked: before we do
    before_ = omp_get_max_threads();
    omp_set_num_threads(static_cast<int>(threads));
  }
  ~Team() { omp_set_num_threads(before_); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

 private:
  int before_;
};

// While it lives, the calling thread stays on its core and its OpenMP team keeps off it. Left alone, Linux wakes a
// member where the caller runs when another thread is just about to leave the core that is free, and moves it away only
// after several milliseconds: a lone image would take as long as on one thread. Costs a few system calls; where they
// are refused, nothing changes.
class Apart {
 public:
  explicit Apart(std::size_t threads) {
    if (threads < 2 || allowed_.size() < threads) return;
    thread_local std::vector<pid_t> team;
    if (team.size() != threads) team = members(threads);
    const CoreSet here = CoreSet::only(sched_getcpu());
    const CoreSet elsewhere = allowed_.without(here);
    bool known = true;
    for (const pid_t member : team) known &= member == team.front() || elsewhere.confine(member);
    if (!known) team.clear();
    stays_ = known && here.confine();
  }
  ~Apart() {
    if (stays_) allowed_.confine();
  }
  Apart(const Apart&) = delete;
  Apart& operator=(const Apart&) = delete;

 private:
  // The caller first.
  static std::vector<pid_t> members(std::size_t threads) {
    std::vector<pid_t> ids(threads);
#pragma omp parallel num_threads(static_cast<int>(threads))
    ids[static_cast<std::size_t>(omp_get_thread_num())] = gettid();
    return ids;
  }

  const CoreSet allowed_ = CoreSet::of_caller();
  bool stays_ = false;
};

// What LibTorch threw, without its stack trace.
std::string reason(const std::exception& failure) {
  const auto* torch_failure = dynamic_cast<const c10::Error*>(&failure);
  const std::string text = torch_failure != nullptr ? torch_failure->what_without_backtrace() : failure.what();
  return text.substr(0, text.find('\n'));
}

Program load_torchscript(const std::filesystem::path& path) {
  auto module = torch::jit::load(path.string(), at::kCPU);
  module.eval();
  auto optimised = std::make_shared<torch::jit::Module>(torch::jit::optimize_for_inference(module));
  return [optimised](const at::Tensor& images) { return optimised->forward({images}).toTensor(); };
}

Program load_program(const Bundle::Weights& weights, CompiledPrograms& compiled) try {
  return weights.format == Bundle::WeightsFormat::torchscript ? load_torchscript(weights.path)
                                                              : compiled.load(weights.path);
} catch (const Error&) {
  throw;
} catch (const std::exception& failure) {
  throw Error{Errc::internal, "LibTorch cannot load " + weights.path.string() + ": " + reason(failure)};
}

class TorchEmbedder final : public Embedder {
 public:
  TorchEmbedder(const Bundle& bundle, Bundle::WeightsFormat format, const EmbedderOptions& options,
                std::string fallback = {})
      : name_{bundle.name},
        fallback_{std::move(fallback)},
        height_{bundle.preprocess.height},
        width_{bundle.preprocess.width},
        dimension_{bundle.dimension},
        threads_{options.threads > 0 ? static_cast<std::size_t>(options.threads)
                                     : std::max<std::size_t>(1, std::thread::hardware_concurrency())},
        crew_{threads_ - 1, "embed"} {
    // Alone: OpenMP keeps a team for each thread that ever had one, and where it has more threads than there are cores,
    // all teams wait asleep, which costs a lone image a third of its time.
    const Team alone{1};
    CompiledPrograms compiled{threads_};
    for (const Bundle::Weights& weights : bundle.weights) {
      if (weights.format == format) add_program(bundle, weights, compiled);
    }
    if (format == Bundle::WeightsFormat::aotinductor && bundle.lone && bundle.lone->threads == threads_)
      lone_program_ = load_program({.path = bundle.lone->path, .format = format}, compiled);
    verify_together(bundle);
  }

  [[nodiscard]] Matrix embed(std::span<const Image> images) override {
    check(images);
    // As many images as there are threads, or a multiple of that, are shared out: each thread computes its own. Threads
    // that work on one image together meet after every layer, and wait there for whichever the system has put aside.
    Matrix embeddings{images.size(), dimension_};
    const std::size_t share = threads_ > 1 ? images.size() / threads_ : 0;
    std::vector<Run> runs;
    for (std::size_t thread = 0; share > 0 && thread < threads_; ++thread) append_runs(thread * share, share, runs);
    std::size_t shared = share * threads_;
    const bool lone = lone_program_ && images.size() - shared == 1;
    for (; !together_ && !lone && shared < images.size(); ++shared) append_runs(shared, 1, runs);
    crew_.each(runs.size(), [&](std::size_t i) { run(runs[i], images, 1, embeddings); });
    runs.clear();
    if (lone)
      runs.push_back({.size = 1, .first = shared, .count = 1, .lone = true});
    else
      append_runs(shared, images.size() - shared, runs);
    if (runs.empty()) return embeddings;
    const Apart apart{threads_};
    for (const Run& rest : runs) run(rest, images, threads_, embeddings);
    return embeddings;
  }

  [[nodiscard]] Matrix embed_alone(std::span<const Image> images) override {
    check(images);
    Matrix embeddings{images.size(), dimension_};
    std::vector<Run> runs;
    append_runs(0, images.size(), runs);
    for (const Run& part : runs) run(part, images, 1, embeddings);
    return embeddings;
  }

  [[nodiscard]] std::size_t threads() const override { return threads_; }
  [[nodiscard]] std::size_t preferred_batch() const override { return best_batch(sizes_); }
  [[nodiscard]] std::string fallback() const override { return fallback_; }

 private:
  // Images [first, first + count), in one batch of a program.
  struct Run {
    std::size_t size = 0;  // of the batch, at least count
    std::size_t first = 0;
    std::size_t count = 0;
    bool lone = false;  // by the program for that
  };

  void append_runs(std::size_t first, std::size_t count, std::vector<Run>& runs) const {
    const std::size_t end = first + count;
    for (const std::size_t size : plan_batches(count, sizes_)) {
      runs.push_back({size, first, std::min(size, end - first)});
      first += runs.back().count;
    }
  }

  void check(std::span<const Image> images) const {
    const auto wrong = std::ranges::find_if_not(
        images, [&](const Image& image) { return image.width == width_ && image.height == height_; });
    if (wrong != images.end()) {
      throw Error{Errc::invalid_argument, "an image has " + std::to_string(wrong->width) + " x " +
                                              std::to_string(wrong->height) + " pixels; model " + name_ + " reads " +
                                              std::to_string(width_) + " x " + std::to_string(height_)};
    }
  }

  void add_program(const Bundle& bundle, const Bundle::Weights& weights, CompiledPrograms& compiled) {
    const Program program = load_program(weights, compiled);
    std::vector<std::size_t> sizes(std::begin(kTorchScriptSizes), std::end(kTorchScriptSizes));
    if (weights.batch > 0) sizes = {static_cast<std::size_t>(weights.batch)};
    for (const std::size_t size : sizes) {
      programs_[size] = program;
      verify(bundle, weights.path, {.size = size}, 1);
      // Weights may be packed for one thread, and packed again for several at each run, which can take twenty times the
      // run.
      if (threads_ > 1 && weights.milliseconds_together > weights.milliseconds) together_ = false;
      sizes_.push_back({size, weights.milliseconds > 0 ? weights.milliseconds : usual_cost(bundle, size)});
    }
  }

  // What all threads do for a lone image: LibTorch makes code for so many at their first run, which would take the
  // first image of a service several times as long. In a thread whose team ends with it.
  void verify_together(const Bundle& bundle) {
    const auto size = lone_program_ ? 1 : programs_.begin()->first;
    if (threads_ == 1 || !(lone_program_ || together_)) return;
    const Run lone{.size = size, .lone = static_cast<bool>(lone_program_)};
    const auto& path = lone_program_ ? bundle.lone->path : bundle.directory;
    std::async(std::launch::async, [&] { verify(bundle, path, lone, threads_); }).get();
  }

  // Recomputes the golden embeddings in runs like this one.
  void verify(const Bundle& bundle, const std::filesystem::path& path, Run like, std::size_t threads) {
    const std::span<const Image> input = bundle.golden_input;
    Matrix output{input.size(), dimension_};
    for (; like.first < input.size(); like.first += like.size) {
      like.count = std::min(like.size, input.size() - like.first);
      run(like, input, threads, output);
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

  // Of a TorchScript program, in images: what the default model needs, in proportion.
  static double usual_cost(const Bundle& bundle, std::size_t size) {
    const auto images = static_cast<double>(size);
    return bundle.precision == "fp32" ? 1.3 * images - 0.3 : images + 0.5;
  }

  // Runs one batch, padded with black images to its size, and writes the embeddings to their rows.
  void run(const Run& part, std::span<const Image> images, std::size_t threads, Matrix& embeddings) try {
    const Team team{threads};
    const c10::InferenceMode inference;
    const auto full = static_cast<std::int64_t>(part.size);
    at::Tensor batch = at::empty({full, height_, width_, 3}, at::kByte);
    auto* pixels = batch.mutable_data_ptr<std::uint8_t>();
    for (const Image& image : images.subspan(part.first, part.count)) {
      std::memcpy(pixels, image.rgb.data(), image.rgb.size());
      pixels += image.rgb.size();
    }
    std::fill_n(pixels, (part.size - part.count) * images.front().rgb.size(), std::uint8_t{0});
    const Program& program = part.lone ? lone_program_ : programs_.at(part.size);
    const at::Tensor result = program(batch).contiguous();
    if (result.scalar_type() != at::kFloat || result.dim() != 2 || result.size(0) != full ||
        result.size(1) != static_cast<std::int64_t>(dimension_)) {
      throw Error{
          Errc::internal,
          "model " + name_ + " returned a tensor of another shape or type than model.json says; export it again"};
    }
    const float* values = result.const_data_ptr<float>();
    const std::size_t count = part.count * dimension_;
    if (!std::all_of(values, values + count, [](float value) { return std::isfinite(value); })) {
      throw Error{Errc::internal, "model " + name_ + " returned a value that is not finite"};
    }
    std::copy_n(values, count, embeddings.row(part.first).begin());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    throw Error{Errc::internal, "model " + name_ + " failed: " + reason(failure)};
  }

  const std::string name_;
  const std::string fallback_;
  const std::int64_t height_;
  const std::int64_t width_;
  const std::size_t dimension_;
  const std::size_t threads_;
  // Constant after construction.
  std::map<std::size_t, Program> programs_;  // by batch size
  Program lone_program_;                     // empty where there is none for so many threads
  std::vector<BatchSize> sizes_;
  bool together_ = true;  // several threads compute one image in less time than one
  Crew crew_;             // last: its threads use the above
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
  std::string fallback;
  if (compiled) {
    try {
      return std::make_unique<TorchEmbedder>(bundle, Bundle::WeightsFormat::aotinductor, options);
    } catch (const Error& failure) {
      if (!script || failure.code() != Errc::internal) throw;
      fallback = failure.what();
    }
  }
  return std::make_unique<TorchEmbedder>(bundle, Bundle::WeightsFormat::torchscript, options, fallback);
}

}  // namespace driftd::embed
