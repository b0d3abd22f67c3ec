// Turns preprocessed images into embeddings.
//
// Two implementations behind one loader: LibTorch (TorchScript and AOTInductor files of a bundle) and, in tests, a
// fake. Thread-safe; more than threads() calls at once wait for each other.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/matrix.hpp"
#include "embed/bundle.hpp"
#include "embed/image.hpp"

namespace driftd::embed {

class Embedder {
 public:
  virtual ~Embedder() = default;

  // Fitted images. Returns a row of `dimension` values for each. In as little time as threads() threads need. Throws
  // Error: invalid_argument on a wrong size, internal when the model fails or returns a value that is not finite.
  [[nodiscard]] virtual Matrix embed(std::span<const Image> images) = 0;
  // The same, on the calling thread alone: least work for each image.
  [[nodiscard]] virtual Matrix embed_alone(std::span<const Image> images) = 0;

  [[nodiscard]] virtual std::size_t threads() const = 0;
  // The batch that takes one thread least time for each image, measured when the model was exported. Any other number
  // of images is run in several passes. Batches of two sizes can differ in the last bit, but the same images in the
  // same order give the same bits on one kind of machine.
  [[nodiscard]] virtual std::size_t preferred_batch() const = 0;
  // Why TorchScript computes though the bundle has compiled programs, in one line; empty where it does not.
  [[nodiscard]] virtual std::string fallback() const { return {}; }
};

struct EmbedderOptions {
  enum class Format { any, torchscript, aotinductor };
  Format format = Format::any;  // any: aotinductor where the bundle has it and it loads, else torchscript
  int threads = 0;              // inside one embed(); 0: all cores. They share out the images, or one image's layers
};

// Loads the bundle's weights and recomputes its golden embeddings. Takes about 0.4 s, 2 s for TorchScript. Throws
// Error: corrupt when the golden embeddings differ by more than the bundle's tolerance (another processor, library or
// file), not_found when the bundle has no weights of the wanted format, internal when LibTorch cannot load the file.
[[nodiscard]] std::unique_ptr<Embedder> load_embedder(const Bundle& bundle, const EmbedderOptions& options = {});

}  // namespace driftd::embed
