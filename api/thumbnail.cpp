#include "api/thumbnail.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>

#include <jpeglib.h>

#include "api/base64.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "embed/decode.hpp"
#include "embed/resize.hpp"

namespace driftd::api {
namespace {

constexpr int kSide = 112;
constexpr int kQuality = 82;
constexpr std::uintmax_t kMaxFileBytes = 64ULL << 20;

struct Failure {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
};

[[noreturn]] void jump_out(j_common_ptr info) {
  std::longjmp(reinterpret_cast<Failure*>(info->err)->jump, 1);
}

// libjpeg leaves by longjmp, which runs no destructor: nothing here has one.
bool compress(const embed::Image& image, int quality, unsigned char** bytes, unsigned long* size) {
  jpeg_compress_struct info{};
  Failure failure{};
  info.err = jpeg_std_error(&failure.manager);
  failure.manager.error_exit = jump_out;
  if (setjmp(failure.jump) != 0) {
    jpeg_destroy_compress(&info);
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, bytes, size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  info.optimize_coding = TRUE;
  jpeg_start_compress(&info, TRUE);
  const auto stride = 3 * static_cast<std::size_t>(image.width);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<unsigned char*>(image.rgb.data() + info.next_scanline * stride);  // libjpeg only reads it
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return true;
}

}  // namespace

embed::Image smaller_image(std::span<const std::uint8_t> bytes, int side) {
  auto image = embed::decode(bytes, {.min_side = 2 * side}).image;
  const int longer = std::max(image.width, image.height);
  if (longer <= side) return image;
  const auto scaled = [&](int length) { return std::max(1, length * side / longer); };
  return embed::resize(image, scaled(image.width), scaled(image.height), embed::Filter::bilinear);
}

std::vector<unsigned char> encode_jpeg(const embed::Image& image, int quality) {
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool done = compress(image, quality, &bytes, &size);
  std::vector<unsigned char> result;
  if (done) result.assign(bytes, bytes + size);
  std::free(bytes);  // NOLINT(cppcoreguidelines-no-malloc): libjpeg's
  if (!done) throw Error{Errc::internal, "libjpeg could not write a thumbnail"};
  return result;
}

SmallJpeg small_jpeg(std::span<const std::uint8_t> bytes, int side, int quality) {
  const auto image = smaller_image(bytes, side);
  return {encode_jpeg(image, quality), image.width, image.height};
}

SmallJpeg kept_jpeg(std::span<const std::uint8_t> bytes, int side, int quality) {
  const auto size = embed::bare_jpeg_size(bytes);
  const bool small = size && std::max(size->width, size->height) <= side &&
                     2 * bytes.size() <= static_cast<std::size_t>(size->width) * static_cast<std::size_t>(size->height);
  return small ? SmallJpeg{{bytes.begin(), bytes.end()}, size->width, size->height} : small_jpeg(bytes, side, quality);
}

Thumbnail Thumbnails::of(const std::filesystem::path& path) {
  std::error_code error;
  if (left_ == 0 || !std::filesystem::is_regular_file(path, error)) return {};
  try {
    const auto [jpeg, width, height] = small_jpeg(read_file(path, kMaxFileBytes), kSide, kQuality);
    Thumbnail thumbnail{"data:image/jpeg;base64," + encode_base64(jpeg), width, height};
    if (thumbnail.data_uri.size() > left_) {
      left_ = 0;
      return {};
    }
    left_ -= thumbnail.data_uri.size();
    return thumbnail;
  } catch (const Error&) {
    return {};  // a report without a picture is better than none
  }
}

}  // namespace driftd::api
