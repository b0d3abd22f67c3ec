#include "api/request_id.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>

namespace driftd::api {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::string_view kLowerHex = "0123456789abcdef";

std::mt19937_64 seeded_generator() {
  std::random_device device;
  std::array<std::uint32_t, 8> entropy{};
  std::ranges::generate(entropy, std::ref(device));
  std::seed_seq seed(entropy.begin(), entropy.end());
  return std::mt19937_64{seed};
}

// The count low digits of value, most significant first.
void append_base32(std::string& text, std::uint64_t value, int count) {
  for (int shift = 5 * (count - 1); shift >= 0; shift -= 5) text += kCrockford[(value >> shift) & 31];
}

bool is_hex_id(std::string_view text) {
  return text.find_first_not_of(kLowerHex) == std::string_view::npos &&
         text.find_first_not_of('0') != std::string_view::npos;
}

bool is_id_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string new_request_id() {
  thread_local auto generator = seeded_generator();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  std::string id;
  id.reserve(26);
  append_base32(id, static_cast<std::uint64_t>(milliseconds), 10);
  append_base32(id, generator(), 8);
  append_base32(id, generator(), 8);
  return id;
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, is_id_character);
}

bool is_traceparent(std::string_view text) {
  return text.size() == 55 && text.starts_with("00-") && text[35] == '-' && text[52] == '-' &&
         is_hex_id(text.substr(3, 32)) && is_hex_id(text.substr(36, 16)) &&
         text.substr(53).find_first_not_of(kLowerHex) == std::string_view::npos;
}

}  // namespace driftd::api
