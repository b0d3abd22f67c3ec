// Images until the e-detector's first alarm, simulated with a fixed seed: without drift for the limits of limit_for's
// table, on ideal ranks and on references drawn at random; and the delay under contamination. One JSON line a row.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

#include "drift/e_detector.hpp"

using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 1;
constexpr std::size_t kLongest = 10'000'000;

// Draws ranks 1 to n + 1: each as likely, or as an n-image reference drawn at random has it (uniform spacings).
class Ranks {
 public:
  Ranks(std::size_t ranked, std::mt19937_64& random) : ranked_{ranked}, random_{random} {}
  void draw_reference() {
    borders_.resize(ranked_ + 1);
    std::exponential_distribution<double> spacing;
    std::ranges::generate(borders_, [&] { return spacing(random_); });
    std::partial_sum(borders_.begin(), borders_.end(), borders_.begin());
  }
  double p_value(double strange) {
    const double cells = static_cast<double>(ranked_ + 1);
    double u = std::uniform_real_distribution<double>{}(random_);
    if (strange > 0 && std::bernoulli_distribution{strange}(random_)) u *= 0.02;  // among the 2% smallest
    if (borders_.empty()) return (std::floor(u * cells) + 1) / cells;
    const auto rank = std::ranges::lower_bound(borders_, u * borders_.back()) - borders_.begin();
    return (static_cast<double>(rank) + 1) / cells;
  }

 private:
  std::size_t ranked_;
  std::mt19937_64& random_;
  std::vector<double> borders_;
};

struct Row {
  double limit;
  std::size_t ranked;
  bool drawn;
  double strange;
};

void simulate(const Row& row, std::size_t streams) {
  std::mt19937_64 random{kSeed};
  Ranks ranks{row.ranked, random};
  std::vector<double> lengths;
  for (std::size_t stream = 0; stream < streams; ++stream) {
    if (row.drawn) ranks.draw_reference();
    EDetector detector{row.limit};
    std::size_t images = 0;
    while (!detector.over() && images < kLongest) detector.step(ranks.p_value(row.strange), row.ranked, {0, ++images});
    lengths.push_back(static_cast<double>(images));
  }
  std::ranges::sort(lengths);
  const auto count = static_cast<double>(lengths.size());
  const double mean = std::accumulate(lengths.begin(), lengths.end(), 0.0) / count;
  std::printf(R"({"limit": %.0f, "ranked": %zu, "reference": "%s", "strange": %.2f, "streams": %zu, "mean": %.0f, )"
              R"("tenth": %.0f, "median": %.0f})"
              "\n",
              row.limit, row.ranked, row.drawn ? "drawn" : "ideal", row.strange, streams, mean,
              lengths[lengths.size() / 10], lengths[lengths.size() / 2]);
}

}  // namespace

// run_lengths [STREAMS]: 200 by default, about 10 seconds; the table was made with 3000 and more.
int main(int argc, char** argv) {
  const long asked = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 200;
  if (asked < 10 || asked > 1'000'000) return std::fputs("usage: run_lengths [10 to 1000000 streams]\n", stderr), 2;
  const auto streams = static_cast<std::size_t>(asked);
  for (const double limit : {30.0, 100.0, 300.0, 1000.0, 3000.0}) simulate({limit, 1000, false, 0}, streams);
  const double limit = limit_for(10'000);
  for (const std::size_t ranked : {300U, 1000U, 5000U}) {
    simulate({limit, ranked, false, 0}, streams);
    simulate({limit, ranked, true, 0}, streams);
  }
  for (const double strange : {0.05, 0.10, 0.20}) simulate({limit, 1000, false, strange}, streams);
}
