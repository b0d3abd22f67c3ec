// A model directory: model.json plus weights, made by `driftd model export`.
//
// model.json says how to preprocess, what comes out and the SHA-256 of every other file. read_bundle() checks all of
// them before anything else reads a byte: .pt and .pt2 files are programs, so a file that is not the one exported must
// never be loaded. Thread-safe: values and pure functions. Cost: one pass over the files (about 0.7 s per GB).
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "embed/image.hpp"
#include "embed/preprocess.hpp"

namespace driftd::embed {

struct Bundle {
  enum class WeightsFormat { torchscript, aotinductor };
  struct Weights {
    std::filesystem::path path;  // absolute or relative to the working directory, not to the bundle
    WeightsFormat format{};
    int batch = 0;                     // the fixed batch size of an aotinductor file; 0: any
    double milliseconds = 0;           // that its run took one thread when it was exported; 0: nobody knows
    double milliseconds_together = 0;  // that it took all threads, which share its layers; 0: as above
  };
  // A program of batch size 1 whose weights are packed for so many threads: with another number it takes twenty times
  // as long.
  struct Lone {
    std::filesystem::path path;
    std::size_t threads = 0;
  };
  struct Pool {
    std::string name;
    std::size_t dimension = 0;
  };

  std::filesystem::path directory;
  std::string name;       // "efficientnet-lite0"
  std::string hash;       // SHA-256 of model.json, which names the hash of all else
  std::string precision;  // "fp32", "bf16", "int8"
  std::size_t dimension = 0;
  std::vector<Pool> pools;  // in the order of the embedding; each has unit L2 norm
  Preprocess preprocess;
  std::vector<Weights> weights;
  std::optional<Lone> lone;         // for one image that all threads compute together
  std::vector<Image> golden_input;  // fitted
  Matrix golden_output;             // the embeddings that the exporter computed for them
  float tolerance = 0;              // largest accepted |difference| per component when loading recomputes them

  [[nodiscard]] std::string id() const { return name + "@sha256:" + hash; }
};

// Throws Error: not_found (no bundle there), corrupt (a file is missing, extra long, or its hash differs; names the
// file), invalid_argument (model.json is of a newer format, or says something impossible).
[[nodiscard]] Bundle read_bundle(const std::filesystem::path& directory);

}  // namespace driftd::embed
