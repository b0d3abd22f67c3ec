// Little-endian bytes of the stored formats: a Writer that appends and a Reader that never reads past the end.
//
// Confined to one thread. Internal to this library. Reader throws Error corrupt when the bytes do not hold what is
// asked.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/error.hpp"

namespace driftd::drift {

static_assert(std::endian::native == std::endian::little, "stored formats are little-endian");
static_assert(sizeof(bool) == 1, "a flag is one byte");

class Writer {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  void put(T value) {
    append(&value, sizeof value);
  }
  void put(std::string_view text) {
    put(static_cast<std::uint64_t>(text.size()));
    append(text.data(), text.size());
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  void put(std::span<const T> values) {
    put(static_cast<std::uint64_t>(values.size()));
    append(values.data(), values.size_bytes());
  }
  void put(std::span<const float> values) { put<float>(values); }
  void append(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  // `what` names the format in messages; both outlive the reader.
  Reader(std::span<const std::byte> bytes, std::string_view what) : rest_{bytes}, what_{what} {}

  template <class T>
    requires std::is_arithmetic_v<T>
  [[nodiscard]] T get() {
    T value;
    copy(&value, sizeof value);
    return value;
  }
  [[nodiscard]] double finite() {
    const auto value = get<double>();
    require(std::isfinite(value), "a number is not finite");
    return value;
  }
  [[nodiscard]] bool flag() { return get<std::uint8_t>() != 0; }
  // One of an enumeration that was written as one byte; `problem` says what is wrong with one beyond `last`.
  template <class Enum>
    requires std::is_enum_v<Enum>
  [[nodiscard]] Enum one_up_to(Enum last, const char* problem) {
    const auto value = get<std::uint8_t>();
    require(value <= static_cast<std::uint8_t>(last), problem);
    return static_cast<Enum>(value);
  }
  // The version that a record begins with, 1 to `newest`.
  [[nodiscard]] std::uint8_t version(std::uint8_t newest) {
    const auto version = get<std::uint8_t>();
    require(version >= 1 && version <= newest, "its version never existed");
    return version;
  }
  [[nodiscard]] std::string text() {
    std::string text(count(1), '\0');
    copy(text.data(), text.size());
    return text;
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  [[nodiscard]] std::vector<T> numbers() {
    std::vector<T> values(count(sizeof(T)));
    copy(values.data(), values.size() * sizeof(T));
    return values;
  }
  [[nodiscard]] std::vector<float> floats() { return numbers<float>(); }
  // A number of things of at least `each` bytes that follow; checked against what is left before anything is allocated.
  [[nodiscard]] std::size_t count(std::size_t each) {
    const auto n = get<std::uint64_t>();
    require(n <= rest_.size() / each, "a length runs past the end");
    return static_cast<std::size_t>(n);
  }
  void require(bool holds, const char* problem) const {
    if (!holds) throw Error{Errc::corrupt, std::string{what_} + " is damaged: " + problem};
  }
  void require_end() const { require(rest_.empty(), "bytes are left over"); }

 private:
  void copy(void* to, std::size_t size) {
    require(size <= rest_.size(), "it ends too early");
    if (size > 0) std::memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }

  std::span<const std::byte> rest_;
  std::string_view what_;
};

}  // namespace driftd::drift
