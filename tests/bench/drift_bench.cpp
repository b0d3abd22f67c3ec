// Run lengths and delays of every detector, and how uniform p-values are, without drift and with it. One JSON line for
// each detector, size of reference and kind of stream.
//
// FOLDER has features of real images, written by tests/bench/features. Without drift no image is seen twice: the images
// of one source are shuffled, the first become the reference, and the others are streamed once. So reference and stream
// are exchangeable whatever the source, and the run length over many references is the detector's, not one of a pool
// that by luck is unlike the reference. Streams are of the training file ("same file"), of the file that the makers of
// the data set held out ("held out"), and of both files shuffled ("together"). "synthetic" in place of a folder draws
// fresh images for each reference from a mixture that is known.
//
// usage: drift_bench FOLDER|synthetic [REFERENCES [RUN_LENGTH [SIZE]...]]     of each size; 40, 10000, 300 1000 5000
#include <algorithm>
#include <array>
#include <cmath>
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
#include "core/error.hpp"
#include "drift/detectors/kinds.hpp"
#include "drift/monitor.hpp"
#include "tests/support/references.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

namespace fs = std::filesystem;

constexpr unsigned kSeed = 1;
constexpr std::size_t kPools = 3;        // of the bundle s8,s16,s32
constexpr std::size_t kProperties = 8;   // the last columns
constexpr std::size_t kLongest = 5'000;  // images of drift: later is never
constexpr std::int64_t kMsPerImage = 1000;
constexpr double kAlpha = 0.05;

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
  for (std::size_t i = 0; i < features.rows; ++i)
    std::ranges::copy(features.row(i).first(vectors.cols), vectors.row(i).begin());
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
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(segment)),
                                                  index::Tail{dimension}.view(), nullptr, nullptr)};
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
      : version_{"default@1", reference.calibration().ranked(), kAlpha, reference.normal().watched,
                 reference.normal().windows} {
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

Matrix shuffled(const Matrix& all, std::mt19937_64& random) {
  std::vector<std::size_t> order(all.rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::shuffle(order, random);
  return rows_of(all, order);
}

Matrix part(const Matrix& all, std::size_t first, std::size_t count) {
  std::vector<std::size_t> rows(std::min(count, all.rows - first));
  std::iota(rows.begin(), rows.end(), first);
  return rows_of(all, rows);
}

// Skewed clusters in 48 dimensions, and properties.
Matrix synthetic(std::size_t rows, std::mt19937_64& random) {
  constexpr std::size_t kDimension = 48;
  constexpr std::size_t kClusters = 10;
  std::mt19937_64 fixed{kSeed};
  std::normal_distribution<float> normal;
  Matrix centres{kClusters, kDimension};
  for (auto& x : centres.data) x = normal(fixed);
  Matrix features{rows, kDimension + kProperties};
  for (std::size_t i = 0; i < rows; ++i) {
    const auto centre = centres.row(std::uniform_int_distribution<std::size_t>{0, kClusters - 1}(random));
    const float common = normal(random);
    auto row = features.row(i);
    for (std::size_t j = 0; j < kDimension; ++j)
      row[j] = centre[j] + 0.4F * std::exp(0.5F * normal(random) + 0.2F * common);
    for (std::size_t j = kDimension; j < row.size(); ++j) row[j] = 100 * normal(random);
  }
  return features;
}

using ByDetector = std::array<std::vector<double>, kDetectorKinds.size()>;

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Of a mean over references.
double standard_error(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double squares = 0;
  for (const double x : values) squares += (x - sum_of(values) / n) * (x - sum_of(values) / n);
  return n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
}

// What streams without drift from one source have shown.
struct Calm {
  double images = 0;
  ByDetector alarms;             // of each reference
  std::vector<double> rates;     // of p-values up to kAlpha, of each reference
  std::vector<double> p_counts;  // of each value that a p-value can take, over references
};

class Bench {
 public:
  Bench(const std::string& source, std::size_t references, std::size_t run_length)
      : references_{references}, run_length_{run_length} {
    if (source == "synthetic") return;
    for (const auto& file : fs::directory_iterator{source}) {
      if (file.path().extension() == ".npy") drifts_[file.path().stem()] = api::read_npy(file.path());
    }
    train_ = std::move(drifts_.extract("train").mapped());
    held_out_ = std::move(drifts_.extract("calm").mapped());
  }

  void run(std::size_t size) {
    calm_.clear();
    delays_.clear();
    for (std::size_t r = 0; r < references_; ++r) {
      if (train_.rows == 0) {
        const auto images = synthetic(size + kStream, random_);
        const auto reference = build_reference(part(images, 0, size));
        watch("synthetic", reference, scored(reference, part(images, size, kStream)));
      } else {
        measure(size, r < kTimed);
      }
    }
    print(size);
  }

 private:
  void measure(std::size_t size, bool timed) {
    const auto train = shuffled(train_, random_);
    const auto reference = build_reference(part(train, 0, size));
    const auto unused = scored(reference, part(train, size, kStream));
    watch("same file", reference, unused);
    watch("held out", reference, scored(reference, shuffled(held_out_, random_)));
    if (timed) time_drifts(reference, unused);
    auto both = train_;
    both.rows += held_out_.rows;
    both.data.insert(both.data.end(), held_out_.data.begin(), held_out_.data.end());
    both = shuffled(both, random_);
    const auto mixed = build_reference(part(both, 0, size));
    watch("together", mixed, scored(mixed, part(both, size, kStream)));
  }

  void watch(const std::string& name, const api::Reference& reference, const Images& images) {
    auto& calm = calm_[name];
    const auto places = reference.calibration().ranked() + 1;
    std::array<double, kDetectorKinds.size()> alarms{};
    calm.p_counts.resize(places);
    Stream stream{reference, run_length_};
    for (const auto& image : images) {
      for (const auto at : stream.see(image)) ++alarms[at];
      ++calm.p_counts[places - 1 - static_cast<std::size_t>(image.values[0])];
    }
    calm.images += static_cast<double>(images.size());
    calm.rates.push_back(static_cast<double>(std::ranges::count_if(images, &Scored::ood)) /
                         static_cast<double>(images.size()));
    for (std::size_t at = 0; at < alarms.size(); ++at) calm.alarms[at].push_back(alarms[at]);
  }

  void time_drifts(const api::Reference& reference, const Images& calm) {
    for (const auto& [name, features] : drifts_) {
      const auto drifting = scored(reference, features);
      if (name != "strange") time_alarms(name, reference, calm, drifting, 1);
      for (const int percent : {5, 10, 20}) {
        if (name == "strange")
          time_alarms(std::to_string(percent) + "% strange", reference, calm, drifting, percent / 100.0);
      }
    }
  }

  const Scored& any(const Images& images) {
    return images[std::uniform_int_distribution<std::size_t>{0, images.size() - 1}(random_)];
  }

  void time_alarms(const std::string& name, const api::Reference& reference, const Images& calm, const Images& drifting,
                   double share) {
    for (std::size_t s = 0; s < kStreams; ++s) {
      Stream stream{reference, run_length_};
      const auto before = std::uniform_int_distribution<std::size_t>{1000, 1499}(random_);  // windows end at any time
      for (std::size_t i = 0; i < before; ++i) (void)stream.see(any(calm));
      std::array<std::size_t, kDetectorKinds.size()> delay{};
      for (std::size_t i = 1; i <= kLongest && std::ranges::count(delay, 0U) > 0; ++i) {
        const bool strange = share == 1 || std::bernoulli_distribution{share}(random_);
        for (const auto at : stream.see(any(strange ? drifting : calm))) delay[at] = delay[at] == 0 ? i : delay[at];
      }
      for (std::size_t at = 0; at < delay.size(); ++at) {
        delays_[name][at].push_back(static_cast<double>(delay[at] == 0 ? kLongest : delay[at]));
      }
    }
  }

  void print(std::size_t size) {
    for (const auto& [stream, calm] : calm_) {
      print_p_values(size, stream, calm);
      for (std::size_t at = 0; at < kDetectorKinds.size(); ++at) print_run_length(size, stream, at, calm);
    }
    for (auto& [stream, by_detector] : delays_) {
      for (std::size_t at = 0; at < kDetectorKinds.size(); ++at) {
        auto& delays = by_detector[at];
        std::ranges::sort(delays);
        std::printf(
            R"({"row": "delay", "stream": "%s", "reference": %zu, "detector": "%s", "streams": %zu, "median": %.0f, "nine_tenths": %.0f})"
            "\n",
            stream.c_str(), size, std::string{kDetectorKinds[at].name}.c_str(), delays.size(),
            delays[delays.size() / 2], delays[delays.size() * 9 / 10]);
      }
    }
    std::fflush(stdout);
  }

  // ks: the distance from uniform of the p-values of all references together.
  static void print_p_values(std::size_t size, const std::string& stream, const Calm& calm) {
    double below = 0;
    double ks = 0;
    for (std::size_t i = 0; i < calm.p_counts.size(); ++i) {
      below += calm.p_counts[i] / calm.images;
      ks = std::max(ks, std::abs(below - static_cast<double>(i + 1) / static_cast<double>(calm.p_counts.size())));
    }
    const auto n = static_cast<double>(calm.rates.size());
    const double error = standard_error(calm.rates);
    const auto near = std::ranges::count_if(calm.rates, [](double rate) { return std::abs(rate - kAlpha) <= 0.01; });
    std::printf(
        R"({"row": "p-values", "stream": "%s", "reference": %zu, "references": %.0f, "rate": %.4f, "standard_error": %.4f, )"
        R"("deviation": %.4f, "within_0.01": %.2f, "ks": %.4f})"
        "\n",
        stream.c_str(), size, n, sum_of(calm.rates) / n, error, error * std::sqrt(n), static_cast<double>(near) / n,
        ks);
  }

  void print_run_length(std::size_t size, const std::string& stream, std::size_t at, const Calm& calm) const {
    auto alarms = calm.alarms[at];
    std::ranges::sort(alarms, std::greater{});
    const auto n = static_cast<double>(alarms.size());
    const double all = sum_of(alarms);
    const auto length = [&](double count) { return calm.images / std::max(count, 1.0); };
    std::printf(
        R"({"row": "run length", "stream": "%s", "reference": %zu, "references": %.0f, "detector": "%s", "alarms": %.0f, "images": %.0f, )"
        R"("stated": %zu, "run_length": %.0f, "standard_error": %.0f, "worst_tenth": %.0f})"
        "\n",
        stream.c_str(), size, n, std::string{kDetectorKinds[at].name}.c_str(), all, calm.images,
        kDetectorKinds[at].has_run_length ? run_length_ : 0, length(all),
        length(all) * standard_error(alarms) * n / std::max(all, 1.0), length(n * alarms[alarms.size() / 10]));
  }

  static constexpr std::size_t kStream = 10'000;  // images without drift, at most
  static constexpr std::size_t kTimed = 10;       // references that delays are measured with
  static constexpr std::size_t kStreams = 4;      // of each, for each kind of drift

  std::size_t references_;
  std::size_t run_length_;
  std::map<std::string, Matrix> drifts_;
  Matrix train_;
  Matrix held_out_;
  std::mt19937_64 random_{kSeed};
  std::map<std::string, Calm> calm_;          // by source
  std::map<std::string, ByDetector> delays_;  // by drift
};

std::size_t number(const char* text) {
  const long value = std::strtol(text, nullptr, 10);
  if (value < 1 || value > 1'000'000)
    throw Error{Errc::invalid_argument, std::string{text} + " is no number from 1 to 1000000"};
  return static_cast<std::size_t>(value);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return std::fputs("usage: drift_bench FOLDER|synthetic [REFERENCES [RUN_LENGTH [SIZE]...]]\n", stderr), 2;
  try {
    Bench bench{argv[1], argc > 2 ? number(argv[2]) : 40, argc > 3 ? number(argv[3]) : 10'000};
    std::vector<std::size_t> sizes;
    for (int i = 4; i < argc; ++i) sizes.push_back(number(argv[i]));
    if (sizes.empty()) sizes = {300, 1000, 5000};
    for (const auto size : sizes) bench.run(size);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "drift_bench: " << error.what() << '\n';
    return 1;
  }
}
