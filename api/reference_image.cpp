#include "api/reference_image.hpp"

#include <filesystem>

#include "api/thumbnail.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxFileBytes = 64ULL << 20;

[[noreturn]] void none(const std::string& why) {
  throw Error{Errc::not_found, "the image of this item cannot be shown: " + why};
}

// Empty where the uri leads to no file in the folder.
fs::path inside(const fs::path& folder, const std::string& uri) {
  std::error_code error;
  const auto root = fs::canonical(folder, error);
  if (error) return {};
  const auto file = fs::canonical(root / uri, error);
  if (error || !fs::is_regular_file(file, error)) return {};
  const auto way = file.lexically_relative(root);
  return way.empty() || *way.begin() == ".." ? fs::path{} : file;
}

}  // namespace

bool has_images(const Reference& reference) {
  std::error_code error;
  const auto& root = reference.normal().image_root;
  return !root.empty() && fs::is_directory(root, error);
}

std::vector<unsigned char> reference_image(const Reference& reference, const index::Item& item) {
  const auto& root = reference.normal().image_root;
  if (root.empty())
    none(
        "the reference was built from vectors or a list on standard input, or before it recorded its folder; build a "
        "new version of it");
  const auto file = item.uri.empty() || item.uri.find('\0') != std::string::npos ? fs::path{} : inside(root, item.uri);
  if (file.empty()) none("its uri leads to no file in the folder that the reference was built from");
  try {
    return small_jpeg(read_file(file, kMaxFileBytes), kThumbnailSide, kThumbnailQuality).jpeg;
  } catch (const Error& error) {
    none(error.code() == Errc::undecodable || error.code() == Errc::unsupported_media
             ? error.what()
             : "its file cannot be read, or is over 64 MiB");
  }
}

}  // namespace driftd::api
