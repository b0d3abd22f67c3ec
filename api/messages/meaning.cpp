#include "api/messages/meaning.hpp"

#include <algorithm>
#include <array>

namespace driftd::api {
namespace {

struct Words {
  std::string_view name, down, up;
};
constexpr std::array kWords{Words{"score", "more typical", "stranger"},
                            Words{"brightness", "darker", "brighter"},
                            Words{"contrast", "flatter", "richer in contrast"},
                            Words{"sharpness", "blurrier", "sharper or noisier"},
                            Words{"saturation", "paler", "more colourful"},
                            Words{"width", "narrower", "wider"},
                            Words{"height", "lower", "higher"},
                            Words{"aspect", "more upright", "more oblong"},
                            Words{"jpeg_quality", "more compressed", "less compressed"}};

}  // namespace

std::string_view meaning_of(std::string_view name, bool upper) {
  const auto* words = std::ranges::find(kWords, name, &Words::name);
  if (words == kWords.end()) return "elsewhere in the embedding space";
  return upper ? words->up : words->down;
}

}  // namespace driftd::api
