#include "api/base64.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstddef>

namespace driftd::api {

std::string encode_base64(std::span<const std::uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock writes a closing zero
  const auto length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::optional<std::vector<std::uint8_t>> decode_base64(std::string_view text) {
  // EVP_DecodeBlock forgives white space around the text, and counts the padding as bytes.
  if (text.size() % 4 != 0 || text.find_first_of(" \t\r\n\v\f") != std::string_view::npos) return std::nullopt;
  std::vector<std::uint8_t> bytes(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  const auto tail = text.substr(text.size() - std::min<std::size_t>(2, text.size()));
  bytes.resize(static_cast<std::size_t>(size) - static_cast<std::size_t>(std::count(tail.begin(), tail.end(), '=')));
  return bytes;
}

}  // namespace driftd::api
