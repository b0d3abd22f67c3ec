// Where searches run. A plain value.
#pragma once

#include <string>
#include <string_view>

namespace driftd::index {

struct Device {
  enum class Type { cpu, cuda, all };  // all: every GPU that CUDA sees, each with a copy of the index

  Type type = Type::cpu;
  int number = 0;  // of cuda: as CUDA counts

  friend bool operator==(const Device&, const Device&) = default;
};

// "cpu", "cuda:0" or "all". Throws Error{invalid_argument} that lists these forms.
[[nodiscard]] Device device_of(std::string_view text);
[[nodiscard]] std::string name_of(const Device& device);

}  // namespace driftd::index
