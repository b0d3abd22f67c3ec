// Images until the e-detector's first alarm, simulated with a fixed seed on references drawn at random: without drift,
// for the limits of limit_for's table and for stated run lengths; and the delay under contamination. One JSON line a
// row.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "drift/e_detector.hpp"

using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 1;
constexpr std::size_t kLongest = 1'000'000;
constexpr std::size_t kProperties = 8;
constexpr std::size_t kComponents = 24;
constexpr std::size_t kComponentGrowth = 4;  // of their bins, as channels_of(Components) has them

// What is watched beside the score.
struct Watched {
  std::size_t properties = 0;
  std::size_t components = 0;
  [[nodiscard]] std::size_t channels() const { return 1 + properties + components; }
};

// Uniform values stand for any continuous ones: only their ranks matter.
class Source {
 public:
  // The components are ranked among one half of the reference.
  Source(std::size_t ranked, Watched watched, std::mt19937_64& random)
      : random_{random},
        watched_{watched},
        references_(watched.channels(), std::vector<float>(ranked)),
        values_(watched.channels()) {
    for (std::size_t i = 1; i <= watched.components; ++i) references_[i].resize(std::max<std::size_t>(1, ranked / 2));
    draw_reference();
  }
  void draw_reference() {
    for (auto& reference : references_) {
      std::ranges::generate(reference, [&] { return uniform(); });
      std::ranges::sort(reference);
    }
  }
  [[nodiscard]] EDetector detector(double limit) const {
    std::vector<EDetector::Channel> channels{score_channel(references_[0].size())};
    for (std::size_t i = 1; i < references_.size(); ++i) {
      const bool component = i <= watched_.components;
      channels.push_back({component ? "components" : "properties", std::to_string(i), true,
                          RankHistogram::of_values(references_[i], component ? kComponentGrowth : 2)});
    }
    return {limit, std::move(channels)};
  }
  // A share of the images has a score among the 2% largest.
  std::span<const float> image(double strange) {
    std::ranges::generate(values_, [&] { return uniform(); });
    if (strange > 0 && uniform() < strange) values_[0] = 0.98F + 0.02F * values_[0];
    const auto& scores = references_[0];
    values_[0] = static_cast<float>(std::ranges::upper_bound(scores, values_[0]) - scores.begin());
    return values_;
  }

 private:
  float uniform() { return std::uniform_real_distribution<float>{}(random_); }

  std::mt19937_64& random_;
  Watched watched_;
  std::vector<std::vector<float>> references_;
  std::vector<float> values_;
};

std::size_t images_until_alarm(Source& source, double limit, std::size_t calm, double strange) {
  auto detector = source.detector(limit);
  std::size_t image = 0;
  for (; image < calm; detector.restart(false)) {
    for (const auto end = std::min(calm, image + 100); image < end;) {
      ++image;
      detector.step(source.image(0), true, {0, image});
    }
  }
  while (!detector.over() && image < calm + kLongest) {
    ++image;
    detector.step(source.image(strange), true, {0, image});
  }
  return image - calm;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

struct Setting {
  double limit;
  std::size_t ranked;
  Watched watched;
  std::size_t references;
  std::size_t streams;  // of each reference
};

// stated: 0 where none is.
void print_run_length(const Setting& setting, std::size_t stated) {
  std::mt19937_64 random{kSeed};
  Source source{setting.ranked, setting.watched, random};
  std::vector<double> means;
  for (std::size_t r = 0; r < setting.references; ++r) {
    source.draw_reference();
    std::vector<double> lengths(setting.streams);
    std::ranges::generate(lengths,
                          [&] { return static_cast<double>(images_until_alarm(source, setting.limit, 0, 0)); });
    means.push_back(mean_of(lengths));
  }
  std::ranges::sort(means);
  std::printf(
      R"({"row": "run length", "limit": %.0f, "stated": %zu, "reference": %zu, "properties": %zu, "components": %zu, )"
      R"("references": %zu, "streams": %zu, "mean": %.0f, "worst_tenth": %.0f})"
      "\n",
      setting.limit, stated, setting.ranked, setting.watched.properties, setting.watched.components, setting.references,
      setting.streams, mean_of(means), means[means.size() / 10]);
  std::fflush(stdout);
}

// Of bets on the flag alone, at the limit for the score: flags with the rate that the reference's luck gives them.
void print_flag_run_length(std::size_t stated, std::size_t ranked, std::size_t references) {
  std::mt19937_64 random{kSeed};
  const std::size_t places = (ranked + 1) / 20;  // of p-values up to 0.05
  std::vector<double> lengths(references);
  for (auto& length : lengths) {
    const double flagged = std::gamma_distribution{static_cast<double>(places)}(random);
    const double others = std::gamma_distribution{static_cast<double>(ranked + 1 - places)}(random);
    std::bernoulli_distribution flag{flagged / (flagged + others)};
    EDetector detector{limit_for(stated),
                       {{.group = "score", .name = "flag", .ranks = RankHistogram::of_flag(places, ranked + 1)}}};
    std::size_t image = 0;
    while (!detector.over() && image < kLongest) {
      const float value = flag(random) ? 1 : 0;
      detector.step({&value, 1}, true, {0, ++image});
    }
    length = static_cast<double>(image);
  }
  std::printf(R"({"row": "flag run length", "stated": %zu, "reference": %zu, "references": %zu, "mean": %.0f})"
              "\n",
              stated, ranked, references, mean_of(lengths));
  std::fflush(stdout);
}

void print_delay(const Setting& setting, std::size_t calm, double strange) {
  std::mt19937_64 random{kSeed};
  Source source{setting.ranked, setting.watched, random};
  std::vector<double> delays;
  for (std::size_t r = 0; r < setting.references; ++r) {
    source.draw_reference();
    delays.push_back(static_cast<double>(images_until_alarm(source, setting.limit, calm, strange)));
  }
  std::ranges::sort(delays);
  std::printf(
      R"({"row": "delay", "limit": %.0f, "reference": %zu, "properties": %zu, "components": %zu, "calm": %zu, "strange": %.2f, )"
      R"("median": %.0f, "nine_tenths": %.0f})"
      "\n",
      setting.limit, setting.ranked, setting.watched.properties, setting.watched.components, calm, strange,
      delays[delays.size() / 2], delays[delays.size() * 9 / 10]);
  std::fflush(stdout);
}

}  // namespace

constexpr std::array kWatched{Watched{}, Watched{kProperties, 0}, Watched{kProperties, kComponents}};

// run_lengths [EFFORT]: 1 by default, some minutes; the table was made with 12.
int main(int argc, char** argv) {
  const long asked = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 1;
  if (asked < 1 || asked > 1000) return std::fputs("usage: run_lengths [1 to 1000]\n", stderr), 2;
  const auto effort = static_cast<std::size_t>(asked);
  for (const double limit : {30.0, 100.0, 300.0, 1000.0, 3000.0, 10'000.0}) {
    print_run_length({limit, 1000, {}, 50 * effort, 1}, 0);
  }
  for (const std::size_t stated : {std::size_t{1000}, std::size_t{10'000}}) {
    for (const std::size_t ranked : {50U, 300U, 1000U, 5000U}) {
      for (const auto watched : kWatched) {
        print_run_length({limit_for(stated), ranked, watched, 20, watched.channels() == 1 ? 5 * effort : effort},
                         stated);
      }
    }
  }
  for (const std::size_t stated : {std::size_t{1000}, std::size_t{10'000}}) {
    for (const std::size_t ranked : {300U, 1000U, 5000U, 50'000U}) print_flag_run_length(stated, ranked, 1000 * effort);
  }
  for (const std::size_t calm : {0U, 1000U}) {
    for (const std::size_t ranked : {300U, 1000U, 5000U}) {
      for (const double strange : {0.05, 0.10, 0.20}) {
        for (const auto watched : kWatched)
          print_delay({limit_for(10'000), ranked, watched, 40 * effort, 1}, calm, strange);
      }
    }
  }
}
