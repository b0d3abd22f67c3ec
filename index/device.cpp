#include "index/device.hpp"

#include <charconv>

#include "core/error.hpp"

namespace driftd::index {

Device device_of(std::string_view text) {
  constexpr std::string_view kCuda = "cuda:";
  if (text == "cpu") return {};
  if (text == "all") return {Device::Type::all};
  if (text.starts_with(kCuda)) {
    const auto digits = text.substr(kCuda.size());
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool whole = error == std::errc{} && end == digits.data() + digits.size();
    if (whole && digits.front() != '-') return {Device::Type::cuda, number};
  }
  throw Error{Errc::invalid_argument,
              "\"" + std::string{text.substr(0, 64)} +
                  "\" is no device: use cpu, cuda:N with the GPU's number (cuda:0 is the first), or all for every GPU"};
}

std::string name_of(const Device& device) {
  switch (device.type) {
    case Device::Type::cpu:
      return "cpu";
    case Device::Type::cuda:
      return "cuda:" + std::to_string(device.number);
    case Device::Type::all:
      return "all";
  }
  return "cpu";
}

}  // namespace driftd::index
