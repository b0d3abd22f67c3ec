// Times the opening of a reference: every byte verified, index, items and calibration loaded. Prints JSON.
//
//   open_bench DIR ROWS DIMENSION KIND REPEATS     makes DIR first where it is missing: random unit vectors
//
// The calibration is of made-up numbers: only its size matters here, and a real one of a million rows takes an hour.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <random>

#include "api/reference.hpp"
#include "core/error.hpp"

using namespace driftd;

namespace {

drift::Calibration made_up(std::size_t rows, std::size_t dimension) {
  drift::Calibration calibration;
  calibration.n = rows;
  calibration.duplicate_distance = 0.01;
  std::vector<float> ascending(rows);
  for (std::size_t i = 0; i < rows; ++i) ascending[i] = 0.1F + static_cast<float>(i) * 1e-6F;
  calibration.own3 = calibration.own10 = ascending;
  calibration.typical_own3 = calibration.typical_own10 = 0.5;
  for (auto& ranks : calibration.ranks) ranks.scores = ascending;
  calibration.effective = static_cast<double>(rows);
  Matrix opposite{2, dimension};
  std::ranges::fill(opposite.row(0), -1.0F);
  std::ranges::fill(opposite.row(1), 1.0F);
  calibration.gaussian = drift::fit_gaussian(opposite);
  return calibration;
}

void make(const std::filesystem::path& directory, std::size_t rows, std::size_t dimension, const std::string& kind) {
  constexpr std::size_t kBlock = 10'000;
  index::Segment items{dimension};
  std::mt19937_64 random{1};
  std::normal_distribution<float> normal;
  for (std::size_t first = 0; first < rows; first += kBlock) {
    Matrix vectors{std::min(kBlock, rows - first), dimension};
    std::vector<index::Item> names;
    for (std::size_t i = 0; i < vectors.rows; ++i) {
      double squares = 0;
      for (auto& x : vectors.row(i)) squares += std::pow(x = normal(random), 2);
      for (auto& x : vectors.row(i)) x = static_cast<float>(x / std::sqrt(squares));
      const auto id = std::to_string(first + i);
      names.push_back({id, "class " + std::to_string((first + i) % 100), "train/class/" + id + ".jpg", {}});
    }
    items.add(std::move(names), vectors);
  }
  if (kind != "flat") (void)items.replace_index(items.index().converted(index::kind_of(kind)));
  index::Manifest manifest{.created = "2026-01-01T00:00:00Z", .model_name = "none", .model_hash = "none"};
  index::Collection::create(directory, items, manifest, api::attachments({made_up(rows, dimension), {}, {}}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: open_bench DIR ROWS DIMENSION KIND REPEATS\n";
    return 2;
  }
  try {
    const std::size_t rows = std::stoul(argv[2]);
    if (!std::filesystem::exists(argv[1])) make(argv[1], rows, std::stoul(argv[3]), argv[4]);
    embed::Bundle bundle;
    bundle.hash = "none";
    boost::json::array seconds;
    for (int i = std::stoi(argv[5]); i > 0; --i) {
      const auto start = std::chrono::steady_clock::now();
      const auto reference = api::load_reference(argv[1], bundle);
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      if (reference.items->size() != rows) throw Error{Errc::corrupt, "the reference has another size; remove it"};
    }
    std::cout << boost::json::object{{"workload", "open"},
                                     {"rows", rows},
                                     {"dimension", std::stoul(argv[3])},
                                     {"kind", argv[4]},
                                     {"seconds", seconds}}
              << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "open_bench: " << error.what() << '\n';
    return 1;
  }
}
