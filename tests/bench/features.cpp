// What driftd sees of each image of a folder, for benchmarks that resample: a NumPy matrix with a row per image, its
// embedding and then its properties (embed/properties.hpp).
//
// usage: features BUNDLE IMAGES OUT
// Writes OUT.npy. Ends with an error when an image cannot be embedded.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "api/bulk_embed.hpp"
#include "api/image_source.hpp"
#include "core/error.hpp"
#include "embed/bundle.hpp"

namespace {

using driftd::Errc;
using driftd::Error;

// NumPy enhancement proposal 1: magic, version 1.0, length of the header, header padded to a multiple of 64.
std::string npy_header(std::size_t rows, std::size_t columns) {
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(columns) + "), }";
  constexpr std::size_t kBefore = 10;
  text.append(64 - (kBefore + text.size() + 1) % 64, ' ');
  text += '\n';
  return std::string{"\x93NUMPY\x01\x00", 8} + static_cast<char>(text.size() & 0xFF) +
         static_cast<char>(text.size() >> 8) + text;
}

void write(const std::string& model, const std::string& images, const std::string& out) {
  const auto bundle = driftd::embed::read_bundle(model);
  const auto embedder = driftd::embed::load_embedder(bundle, {.threads = 1});  // the machine may have other work
  const auto sources = driftd::api::list_images(images);
  std::vector<float> rows;
  driftd::api::embed_all(sources, bundle, *embedder, [&](driftd::api::Embedded&& image) {
    if (image.vector.empty()) throw Error{Errc::invalid_argument, image.source->uri + ": " + image.reason};
    rows.insert(rows.end(), image.vector.begin(), image.vector.end());
    const auto properties = driftd::embed::values_of(image.properties);
    rows.insert(rows.end(), properties.begin(), properties.end());
  });
  std::ofstream matrix{out + ".npy", std::ios::binary};
  matrix << npy_header(sources.size(), sources.empty() ? 0 : rows.size() / sources.size());
  matrix.write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.size() * sizeof(float)));
  matrix.flush();
  if (!matrix) throw Error{Errc::internal, out + " could not be written"};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: features BUNDLE IMAGES OUT\n", stderr), 2;
  try {
    write(argv[1], argv[2], argv[3]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "features: " << error.what() << '\n';
    return 1;
  }
}
