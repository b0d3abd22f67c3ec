#include "core/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include "core/error.hpp"

namespace driftd {
namespace {

class Sha256 {
 public:
  Sha256() { check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

  void update(const void* data, std::size_t size) { check(EVP_DigestUpdate(context_.get(), data, size)); }

  std::string finish() {
    std::array<unsigned char, 32> digest{};
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
    constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : digest) {
      text += kHex[byte >> 4];
      text += kHex[byte & 15];
    }
    return text;
  }

 private:
  static void check(int ok) {
    if (ok != 1) throw Error{Errc::internal, "SHA-256 failed in OpenSSL"};
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

}  // namespace

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.finish();
}

std::string sha256_file(const std::filesystem::path& path, const std::function<void(std::size_t bytes)>& progress) {
  std::ifstream in{path, std::ios::binary};
  if (!in) throw Error{Errc::not_found, "cannot open " + path.string()};
  Sha256 hash;
  std::vector<char> block(1 << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto size = static_cast<std::size_t>(in.gcount());
    hash.update(block.data(), size);
    if (progress) progress(size);
  }
  if (in.bad()) throw Error{Errc::internal, "cannot read " + path.string()};
  return hash.finish();
}

}  // namespace driftd
