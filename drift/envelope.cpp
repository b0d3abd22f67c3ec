#include "drift/envelope.hpp"

#include <algorithm>
#include <string>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kHeaderSize = 2 * sizeof(std::uint32_t);
constexpr std::size_t kDigestSize = 64;

}  // namespace

Writer begin_envelope(std::uint32_t magic, std::uint32_t version) {
  Writer writer;
  writer.put(magic);
  writer.put(version);
  return writer;
}

std::vector<std::byte> seal(Writer writer) {
  const auto digest = sha256(writer.bytes());
  writer.append(digest.data(), digest.size());
  return writer.take();
}

Envelope open_envelope(std::span<const std::byte> bytes, std::uint32_t magic, std::uint32_t newest,
                       std::string_view what) {
  Reader header{bytes, what};
  header.require(header.get<std::uint32_t>() == magic, "it does not begin as one");
  const auto version = header.get<std::uint32_t>();
  if (version > newest) {
    throw Error{Errc::conflict, std::string{what} + " has format version " + std::to_string(version) +
                                    ", this program reads up to " + std::to_string(newest) + ": upgrade it"};
  }
  header.require(version >= 1, "its version never existed");
  header.require(bytes.size() >= kDigestSize + kHeaderSize, "it ends too early");
  const auto signed_part = bytes.first(bytes.size() - kDigestSize);
  const auto digest = sha256(signed_part);
  header.require(std::ranges::equal(std::as_bytes(std::span{digest}), bytes.last(kDigestSize)),
                 "its checksum is wrong");
  return {version, Reader{signed_part.subspan(kHeaderSize), what}};
}

}  // namespace driftd::drift
