// Decoding and preprocessing for a test in another language.
//
//   embed_probe decode FILE MIN_SIDE                  writes "WIDTH HEIGHT\n" and RGB bytes
//   embed_probe resize FILE WIDTH HEIGHT FILTER       the same, resized
//   embed_probe preprocess FILE MODE SHORT HEIGHT WIDTH FILTER   as decode, fitted
// FILTER: bilinear or bicubic. MODE: stretch or short_side. An Error goes to stderr, exit code 1.
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"
#include "embed/decode.hpp"
#include "embed/preprocess.hpp"
#include "embed/resize.hpp"

namespace {

using namespace driftd;

embed::Filter parse_filter(const std::string& name) {
  if (name == "bilinear") return embed::Filter::bilinear;
  if (name == "bicubic") return embed::Filter::bicubic;
  throw std::invalid_argument{"filter: bilinear or bicubic"};
}

void write(const embed::Image& image) {
  std::cout << image.width << ' ' << image.height << '\n';
  std::cout.write(reinterpret_cast<const char*>(image.rgb.data()), static_cast<std::streamsize>(image.rgb.size()));
}

void run(const std::vector<std::string>& args) {
  const std::string& command = args.at(0);
  const auto bytes = read_file(args.at(1));
  if (command == "decode") {
    write(embed::decode(bytes, {.min_side = std::stoi(args.at(2))}).image);
  } else if (command == "resize") {
    write(embed::resize(embed::decode(bytes).image, std::stoi(args.at(2)), std::stoi(args.at(3)),
                        parse_filter(args.at(4))));
  } else if (command == "preprocess") {
    const embed::Preprocess spec{
        .mode = args.at(2) == "stretch" ? embed::Preprocess::Mode::stretch : embed::Preprocess::Mode::short_side,
        .short_side = std::stoi(args.at(3)),
        .height = std::stoi(args.at(4)),
        .width = std::stoi(args.at(5)),
        .filter = parse_filter(args.at(6))};
    write(embed::fit(embed::decode(bytes).image, spec));
  } else {
    throw std::invalid_argument{"command: decode, resize or preprocess"};
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << '\n';
    return EXIT_FAILURE;
  }
}
