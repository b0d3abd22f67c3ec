// Writes references of random unit vectors, so that a race over a large index need not embed a hundred thousand images
// first.
//
// usage: make_reference ROWS SEED KIND OUT BUNDLE...
// OUT/NAME gets the same vectors for every bundle, NAME being the bundle's directory; all have the first bundle's
// dimension. The calibration is the real one, so the service treats each like any other reference. Its p-values mean
// nothing: real embeddings are not spread evenly over the sphere. Cost: ROWS searches for the calibration, by an index
// of KIND (flat, fp16, sq8 ...).
#include <charconv>
#include <cmath>
#include <exception>
#include <filesystem>
#include <iostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/index_tuning.hpp"
#include "api/reference.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "embed/bundle.hpp"

namespace {

namespace fs = std::filesystem;
using driftd::Errc;
using driftd::Error;

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Error{Errc::invalid_argument, "'" + std::string{text} + "' is not a whole number"};
  }
  return value;
}

// Normal components, scaled to unit length: evenly spread directions.
driftd::Matrix random_unit_vectors(std::size_t rows, std::size_t dimension, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::normal_distribution<float> normal;
  driftd::Matrix vectors{rows, dimension};
  for (std::size_t i = 0; i < rows; ++i) {
    double squares = 0;
    for (auto& x : vectors.row(i)) {
      x = normal(random);
      squares += double{x} * x;
    }
    for (auto& x : vectors.row(i)) x = static_cast<float>(x / std::sqrt(squares));
  }
  return vectors;
}

std::vector<driftd::index::Item> numbered_items(std::size_t rows) {
  std::vector<driftd::index::Item> items;
  items.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) items.push_back({std::to_string(i), "random", {}});
  return items;
}

void make(std::size_t rows, std::uint64_t seed, const std::string& kind, const fs::path& out, std::span<char*> models) {
  std::vector<driftd::embed::Bundle> bundles;
  for (const char* model : models)
    bundles.push_back(driftd::embed::read_bundle(fs::absolute(model).lexically_normal()));
  const auto& first = bundles.front();
  driftd::index::Segment items{first.dimension};
  items.add(numbered_items(rows), random_unit_vectors(rows, first.dimension, seed));
  auto tuned = driftd::api::tune_index(items, kind, {.pools = first.pools.size()});
  const auto files = driftd::api::attachments({std::move(tuned.calibration), {}, {}});
  fs::create_directories(out);
  for (const auto& bundle : bundles) {
    if (bundle.dimension != first.dimension) {
      throw Error{Errc::invalid_argument,
                  bundle.directory.string() + " has another dimension than " + first.directory.string()};
    }
    driftd::index::Collection::create(out / bundle.directory.filename(), items,
                                      {.created = driftd::api::rfc3339(driftd::api::now_ms()),
                                       .model_name = bundle.name,
                                       .model_hash = bundle.hash,
                                       .model_directory = bundle.directory.string()},
                                      files);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: make_reference ROWS SEED KIND OUT BUNDLE...\n";
    return 2;
  }
  try {
    make(number(argv[1]), number(argv[2]), argv[3], argv[4], {argv + 5, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "make_reference: " << error.what() << '\n';
    return 1;
  }
}
