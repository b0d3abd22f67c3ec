#include "api/npy.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::api {
namespace {

static_assert(std::endian::native == std::endian::little);

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error{Errc::invalid_argument,
              path.string() + " " + why +
                  "; save the vectors with numpy.save(file, numpy.ascontiguousarray(vectors, \"<f4\"))"};
}

// The text of the header, and where the numbers begin.
std::pair<std::string_view, std::size_t> header_of(const std::vector<std::uint8_t>& file,
                                                   const std::filesystem::path& path) {
  constexpr std::string_view kMagic{"\x93NUMPY"};
  const std::string_view bytes{reinterpret_cast<const char*>(file.data()), file.size()};
  if (!bytes.starts_with(kMagic) || bytes.size() < 12) refuse(path, "is no .npy file");
  const auto version = file[6];
  if (version < 1 || version > 3) refuse(path, "has an unknown .npy version");
  std::size_t length = file[8] | file[9] << 8;
  const std::size_t first = version == 1 ? 10 : 12;
  if (version > 1) length |= static_cast<std::size_t>(file[10]) << 16 | static_cast<std::size_t>(file[11]) << 24;
  if (length > bytes.size() - first) throw Error{Errc::corrupt, path.string() + " is cut short"};
  return {bytes.substr(first, length), first + length};
}

// What follows 'key': in the header, a Python dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const auto at = header.find("'" + std::string{key} + "'");
  if (at == std::string_view::npos) return {};
  auto rest = header.substr(at + key.size() + 2);
  rest.remove_prefix(std::min(rest.find_first_not_of(": "), rest.size()));
  return rest;
}

std::size_t number_at(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789)"), text.size()));
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

Matrix read_npy(const std::filesystem::path& path) {
  const auto file = read_file(path);
  const auto [header, first] = header_of(file, path);
  const auto type = value_of(header, "descr");
  const bool wide = type.starts_with("'<f8'");
  if (!wide && !type.starts_with("'<f4'")) refuse(path, "does not hold float32 or float64 numbers");
  if (!value_of(header, "fortran_order").starts_with("False")) refuse(path, "is stored column by column");
  auto shape = value_of(header, "shape");
  shape = shape.substr(0, std::min(shape.find(')') + 1, shape.size()));
  const auto rows = number_at(shape);
  const auto cols = number_at(shape);
  if (rows == 0 || cols == 0 || number_at(shape) != 0) refuse(path, "is not a matrix with a row for each vector");
  const std::size_t width = wide ? sizeof(double) : sizeof(float);
  const auto size = file.size() - first;
  if (cols > size / width || rows != size / width / cols || rows * cols * width != size) {
    throw Error{Errc::corrupt, path.string() + " holds " + std::to_string(size) + " bytes of numbers, not the " +
                                   std::to_string(rows) + " x " + std::to_string(cols) + " that its header names"};
  }
  Matrix matrix{rows, cols};
  if (!wide) {
    std::memcpy(matrix.data.data(), file.data() + first, size);
    return matrix;
  }
  for (std::size_t i = 0; i < matrix.data.size(); ++i) {
    double value = 0;
    std::memcpy(&value, file.data() + first + i * sizeof value, sizeof value);
    matrix.data[i] = static_cast<float>(value);
  }
  return matrix;
}

}  // namespace driftd::api
