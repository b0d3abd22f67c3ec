#include "index/kind.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/alternatives.hpp"
#include "core/error.hpp"
#include "index/sketch.hpp"

namespace driftd::index {
namespace {

constexpr std::size_t kExactValues = 100'000 * 512;  // that a query reads while it costs less than an embedding
constexpr std::size_t kBytesFirst = 4;               // times as many, where it reads a byte of each instead of a float
constexpr std::size_t kVectorsPerCell = 39;

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::flat:
      return "flat";
    case Kind::ivf:
      return "ivf";
    case Kind::fp16:
      return "fp16";
    case Kind::sq8:
      return "sq8";
    case Kind::ivfsq8:
      return "ivfsq8";
  }
  return "flat";
}

Kind kind_of(std::string_view name) {
  for (const auto kind : kKinds) {
    if (name == name_of(kind)) return kind;
  }
  throw Error{Errc::invalid_argument, "this driftd knows no index kind \"" + std::string{name.substr(0, 64)} +
                                          "\": choose " +
                                          alternatives(kKinds, [](Kind kind) { return name_of(kind); })};
}

Kind automatic_kind(std::size_t count, std::size_t dimension) {
  const auto width = std::max<std::size_t>(dimension, 1);
  const auto values = Sketch::pays(kExactValues / width, width) ? kBytesFirst * kExactValues : kExactValues;
  return count <= values / width ? Kind::flat : Kind::ivf;
}

std::size_t cells_for(std::size_t count) {
  const auto wanted = static_cast<std::size_t>(4 * std::sqrt(static_cast<double>(count)));
  return std::max<std::size_t>(1, std::min(wanted, count / kVectorsPerCell));
}

}  // namespace driftd::index
