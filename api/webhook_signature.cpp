#include "api/webhook_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <span>
#include <sstream>

#include "api/base64.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kMaxSecrets = 4;
constexpr std::size_t kMinBytes = 16;

std::string key_of(std::string_view line, const std::string& where) {
  constexpr std::string_view kPrefix = "whsec_";
  std::string key{line};
  if (line.starts_with(kPrefix)) {
    const auto bytes = decode_base64(line.substr(kPrefix.size()));
    if (!bytes) throw Error{Errc::invalid_argument, where + ": what follows whsec_ is not base64"};
    key.assign(bytes->begin(), bytes->end());
  }
  if (key.size() < kMinBytes) {
    throw Error{Errc::invalid_argument, where + ": a secret has " + std::to_string(key.size()) +
                                            " bytes, at least 16 are needed; make one " +
                                            "with: echo \"whsec_$(openssl rand -base64 32)\""};
  }
  return key;
}

}  // namespace

std::vector<std::string> read_webhook_secrets(const std::filesystem::path& file) {
  const auto where = "the webhook secret file " + file.string();
  std::istringstream lines{read_text(file, 4096)};
  std::vector<std::string> secrets;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) secrets.push_back(key_of(line, where));
  }
  if (secrets.empty() || secrets.size() > kMaxSecrets) {
    throw Error{Errc::invalid_argument,
                where + " must hold 1 to 4 secrets, one a line; it has " + std::to_string(secrets.size())};
  }
  return secrets;
}

std::string webhook_signature(const std::vector<std::string>& secrets, std::string_view id, std::int64_t timestamp_s,
                              std::string_view body) {
  const auto message = std::string{id} + "." + std::to_string(timestamp_s) + "." + std::string{body};
  std::string header;
  for (const auto& secret : secrets) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(), &size) == nullptr) {
      throw Error{Errc::internal, "OpenSSL cannot compute an HMAC"};
    }
    header += (header.empty() ? "v1," : " v1,") + encode_base64({digest.data(), size});
  }
  return header;
}

}  // namespace driftd::api
