// Run lengths and delays of every detector on streams of real images, drawn with replacement from features that
// tests/bench/features wrote: without drift from held-out images and from unused images of the reference's own source,
// and with drift. One JSON line for each detector, size of reference and kind of stream.
//
// usage: drift_bench FOLDER [EFFORT [RUN_LENGTH]]     effort 1 takes minutes; with a run length, only 1,000 images
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "api/npy.hpp"
#include "api/reference.hpp"
#include "drift/detectors/kinds.hpp"
#include "drift/monitor.hpp"
#include "tests/support/references.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

namespace fs = std::filesystem;

constexpr unsigned kSeed = 1;
constexpr std::size_t kPools = 3;       // of the bundle s8,s16,s32
constexpr std::size_t kProperties = 8;  // the last columns
constexpr std::size_t kLongest = 5'000;  // images of drift: later is never
constexpr std::int64_t kMsPerImage = 1000;

// What the detectors see of an image.
struct Scored {
  bool ood = false;
  std::vector<float> values;
};
using Images = std::vector<Scored>;

Matrix rows_of(const Matrix& all, std::span<const std::size_t> rows) {
  Matrix some{rows.size(), all.cols};
  for (std::size_t i = 0; i < rows.size(); ++i) std::ranges::copy(all.row(rows[i]), some.row(i).begin());
  return some;
}

Matrix embeddings_of(const Matrix& features) {
  Matrix vectors{features.rows, features.cols - kProperties};
  for (std::size_t i = 0; i < features.rows; ++i) std::ranges::copy(features.row(i).first(vectors.cols), vectors.row(i).begin());
  return vectors;
}

embed::Properties properties_of(std::span<const float> row) {
  const auto p = row.last(kProperties);
  return {p[0], p[1], p[2], p[3], static_cast<int>(p[4]), static_cast<int>(p[5]), static_cast<int>(p[7])};
}

api::Reference build_reference(const Matrix& features) {
  const auto vectors = embeddings_of(features);
  std::vector<index::Item> items;
  for (std::size_t i = 0; i < vectors.rows; ++i) items.push_back({std::to_string(i), {}, {}, {}});
  index::Segment segment{vectors.cols};
  segment.add(items, vectors);
  api::ProfileBuilder profile;
  for (std::size_t i = 0; i < features.rows; ++i) profile.add(properties_of(features.row(i)));
  auto normal = api::normal_of(segment, api::calibrate(segment, kPools, {}), false, kPools, {});
  normal.watch(std::move(normal.components), profile.finish());
  segment.set_companion(std::make_shared<const api::Normal>(std::move(normal)));
  const auto dimension = segment.dimension();
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(segment)), index::Tail{dimension}.view(), nullptr, nullptr)};
}

Images scored(const api::Reference& reference, const Matrix& features) {
  const auto vectors = embeddings_of(features);
  const auto scores = api::score(reference, vectors, {});
  Images images(features.rows);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i].ood = scores[i].ood;
    images[i].values = api::watched_values(reference, vectors.view().row(i), properties_of(features.row(i)));
    images[i].values.insert(images[i].values.begin(), score_rank(scores[i].p_value, reference.calibration().ranked()));
  }
  return images;
}

// One stream and all detectors on it.
class Stream {
 public:
  Stream(const api::Reference& reference, std::size_t run_length)
      : version_{"default@1", reference.calibration().ranked(), 0.05, reference.normal().watched, reference.normal().windows} {
    for (const auto& kind : kDetectorKinds) {
      detectors_.push_back(make_detector(kind, {rule_, window_.summary().capacity, kWindowSeconds, 0.95, run_length}));
    }
  }

  // Which detectors alarm with this image; those begin again. Patience and cooldown are left out.
  std::vector<std::size_t> see(const Scored& image) {
    window_.push(image.ood);
    const Moment now{static_cast<std::int64_t>(window_.summary().total) * kMsPerImage, window_.summary().total};
    time_window_.push(image.ood, now.at_ms);
    std::vector<std::size_t> alarmed;
    for (std::size_t i = 0; i < detectors_.size(); ++i) {
      if (!detectors_[i]->step({version_, image.ood, image.values, window_.summary(), &time_window_, now}, true).over) {
        held_[i] = 0;
        continue;
      }
      const auto& kind = kDetectorKinds[i];
      if (held_[i]++ != (kind.has_run_length ? 0 : rule_.for_images)) continue;
      alarmed.push_back(i);
      if (kind.has_run_length) detectors_[i]->clear(), held_[i] = 0;
    }
    return alarmed;
  }

 private:
  static constexpr std::uint32_t kWindowSeconds = 500;  // as many images as the window by count

  AlertRule rule_;
  ReferenceVersion version_;
  Window window_{500};
  TimeWindow time_window_{kWindowSeconds, rule_.min_size};
  std::vector<std::unique_ptr<Detector>> detectors_;
  std::array<std::size_t, kDetectorKinds.size()> held_{};
};

class Bench {
 public:
  Bench(const fs::path& folder, std::size_t effort, std::size_t run_length) : effort_{effort}, run_length_{run_length} {
    for (const auto& file : fs::directory_iterator{folder}) {
      if (file.path().extension() == ".npy") features_[file.path().stem()] = api::read_npy(file.path());
    }
    train_ = std::move(features_.extract("train").mapped());
  }

  void run(std::size_t size, std::size_t references) {
    alarms_.clear();
    delays_.clear();
    for (std::size_t r = 0; r < references; ++r) measure(size);
    print(size, references);
  }

 private:
  void measure(std::size_t size) {
    std::vector<std::size_t> order(train_.rows);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::shuffle(order, random_);
    const auto reference = build_reference(rows_of(train_, std::span{order}.first(size)));
    std::map<std::string, Images> images;
    for (const auto& [name, features] : features_) images[name] = scored(reference, features);
    images["unused"] = scored(reference, rows_of(train_, std::span{order}.subspan(size, std::min<std::size_t>(5000, order.size() - size))));
    for (const auto* calm : {"calm", "unused"}) count_alarms(calm, reference, images[calm]);
    const auto& calm = images["calm"];
    for (const auto& [name, drifting] : images) {
      if (name == "calm" || name == "unused") continue;
      if (name != "strange") time_alarms(name, reference, calm, drifting, 1);
      for (const int percent : {5, 10, 20}) {
        if (name == "strange") time_alarms(std::to_string(percent) + "% strange", reference, calm, drifting, percent / 100.0);
      }
    }
  }

  const Scored& any(const Images& images) { return images[std::uniform_int_distribution<std::size_t>{0, images.size() - 1}(random_)]; }

  void count_alarms(const std::string& name, const api::Reference& reference, const Images& calm) {
    std::array<std::size_t, kDetectorKinds.size()> count{};
    for (std::size_t s = 0; s < effort_; ++s) {
      Stream stream{reference, run_length_};
      for (std::size_t i = 0; i < kImages; ++i) {
        for (const auto at : stream.see(any(calm))) ++count[at];
      }
    }
    for (std::size_t at = 0; at < count.size(); ++at) alarms_[name][at].push_back(count[at]);
  }

  void time_alarms(const std::string& name, const api::Reference& reference, const Images& calm, const Images& drifting, double share) {
    for (std::size_t s = 0; s < 4 * effort_; ++s) {
      Stream stream{reference, run_length_};
      const auto before = std::uniform_int_distribution<std::size_t>{1000, 1499}(random_);  // windows end at any time
      for (std::size_t i = 0; i < before; ++i) (void)stream.see(any(calm));
      std::array<std::size_t, kDetectorKinds.size()> delay{};
      for (std::size_t i = 1; i <= kLongest && std::ranges::count(delay, 0U) > 0; ++i) {
        const bool strange = share == 1 || std::bernoulli_distribution{share}(random_);
        for (const auto at : stream.see(any(strange ? drifting : calm))) delay[at] = delay[at] == 0 ? i : delay[at];
      }
      for (std::size_t at = 0; at < delay.size(); ++at) delays_[name][at].push_back(delay[at] == 0 ? kLongest : delay[at]);
    }
  }

  void print(std::size_t size, std::size_t references) {
    const double images = static_cast<double>(kImages * effort_);
    for (auto& [stream, by_detector] : alarms_) {
      for (auto& [at, counts] : by_detector) {
        std::ranges::sort(counts, std::greater{});
        const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
        std::printf(R"({"row": "run length", "stream": "%s", "reference": %zu, "references": %zu, "detector": "%s", "alarms": %.0f, "images": %.0f, "run_length": %.0f, "worst_tenth": %.0f})"
                    "\n", stream.c_str(), size, references, std::string{kDetectorKinds[at].name}.c_str(), all, images * static_cast<double>(references),
                    images * static_cast<double>(references) / std::max(all, 1.0), images / std::max<double>(static_cast<double>(counts[counts.size() / 10]), 1));
      }
    }
    for (auto& [stream, by_detector] : delays_) {
      for (auto& [at, delays] : by_detector) {
        std::ranges::sort(delays);
        std::printf(R"({"row": "delay", "stream": "%s", "reference": %zu, "detector": "%s", "streams": %zu, "median": %zu, "nine_tenths": %zu})"
                    "\n", stream.c_str(), size, std::string{kDetectorKinds[at].name}.c_str(), delays.size(), delays[delays.size() / 2], delays[delays.size() * 9 / 10]);
      }
    }
    std::fflush(stdout);
  }

  static constexpr std::size_t kImages = 50'000;  // of a stream without drift

  std::size_t effort_;
  std::size_t run_length_;
  std::map<std::string, Matrix> features_;
  Matrix train_;
  std::mt19937_64 random_{kSeed};
  std::map<std::string, std::map<std::size_t, std::vector<std::size_t>>> alarms_;  // by stream and detector, of each reference
  std::map<std::string, std::map<std::size_t, std::vector<std::size_t>>> delays_;
};

}  // namespace

int main(int argc, char** argv) {
  const long effort = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1;
  const long run_length = argc > 3 ? std::strtol(argv[3], nullptr, 10) : 10'000;
  if (argc < 2 || argc > 4 || effort < 1 || effort > 1000 || run_length < 1) {
    return std::fputs("usage: drift_bench FOLDER [1 to 1000 [RUN_LENGTH]]\n", stderr), 2;
  }
  try {
    Bench bench{argv[1], static_cast<std::size_t>(effort), static_cast<std::size_t>(run_length)};
    bench.run(1000, 10);
    for (const std::size_t size : {300U, 5000U}) {
      if (argc < 4) bench.run(size, 10);
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "drift_bench: " << error.what() << '\n';
    return 1;
  }
}
