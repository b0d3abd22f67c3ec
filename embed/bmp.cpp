// BMP: uncompressed, 8-bit palette, 24 or 32 bits a pixel, bottom-up or top-down, with a BITMAPINFOHEADER or a later
// version of it. The fourth byte of 32-bit pixels is ignored.
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "embed/codec.hpp"

namespace driftd::embed {
namespace {

constexpr std::size_t kFileHeader = 14;
constexpr std::size_t kInfoHeader = 40;

[[noreturn]] void damaged(const std::string& why) {
  throw Error{Errc::undecodable, "BMP is damaged or cut short: " + why};
}

[[noreturn]] void unsupported(const std::string& what) {
  throw Error{Errc::unsupported_media,
              "BMP with " + what + " is not accepted; save it uncompressed with 24 bits or as PNG"};
}

struct Header {
  int width = 0;
  int height = 0;
  bool top_down = false;
  unsigned bits = 0;
  Bytes palette;  // 4 bytes a colour: blue, green, red, unused
  Bytes rows;     // height rows of stride bytes, in the file's order
  std::size_t stride = 0;
};

Bytes read_palette(Bytes bytes, std::size_t info_size) {
  const std::size_t used = little32(bytes, kFileHeader + 32);
  const std::size_t colours = used == 0 ? 256 : used;
  const std::size_t start = kFileHeader + info_size;
  if (colours > 256) damaged("its palette has more than 256 colours");
  if (bytes.size() < start + 4 * colours) damaged("its palette is missing");
  return bytes.subspan(start, 4 * colours);
}

Header read_header(Bytes bytes, const DecodeLimits& limits) {
  static const std::set<std::size_t> kInfoSizes{kInfoHeader, 52, 56, 108, 124};
  if (bytes.size() < kFileHeader + 4) damaged("its header is missing");
  const std::size_t info_size = little32(bytes, kFileHeader);
  if (!kInfoSizes.contains(info_size)) unsupported("this kind of header");
  if (bytes.size() < kFileHeader + info_size) damaged("its header is missing");

  const auto width = static_cast<std::int32_t>(little32(bytes, kFileHeader + 4));
  const std::int64_t height = static_cast<std::int32_t>(little32(bytes, kFileHeader + 8));
  check_size(width, std::abs(height), limits);
  Header header{.width = width, .height = static_cast<int>(std::abs(height)), .top_down = height < 0};
  header.bits = little16(bytes, kFileHeader + 14);
  if (header.bits != 8 && header.bits != 24 && header.bits != 32)
    unsupported(std::to_string(header.bits) + " bits a pixel");
  if (little32(bytes, kFileHeader + 16) != 0) unsupported("compression or bit fields");
  if (header.bits == 8) header.palette = read_palette(bytes, info_size);

  header.stride = (std::size_t{header.bits} * header.width + 31) / 32 * 4;
  const std::size_t start = little32(bytes, 10);
  const std::size_t size = header.stride * header.height;
  if (start < kFileHeader + info_size || start > bytes.size() || bytes.size() - start < size)
    damaged("rows are missing");
  header.rows = bytes.subspan(start, size);
  return header;
}

void read_row(const Header& header, Bytes row, std::uint8_t* rgb) {
  const std::size_t step = header.bits / 8;
  for (int x = 0; x < header.width; ++x, rgb += 3) {
    Bytes bgr = row.subspan(x * step, step);
    if (header.bits == 8) {
      if (bgr[0] >= header.palette.size() / 4) damaged("a pixel lies outside the palette");
      bgr = header.palette.subspan(std::size_t{4} * bgr[0], 4);
    }
    rgb[0] = bgr[2];
    rgb[1] = bgr[1];
    rgb[2] = bgr[0];
  }
}

}  // namespace

Stored read_bmp(Bytes bytes, const DecodeLimits& limits) {
  const Header header = read_header(bytes, limits);
  Image image = make_image(header.width, header.height);
  for (int y = 0; y < header.height; ++y) {
    const int stored = header.top_down ? y : header.height - 1 - y;
    read_row(header, header.rows.subspan(stored * header.stride, header.stride),
             image.rgb.data() + std::size_t{3} * header.width * y);
  }
  return {.image = std::move(image), .width = header.width, .height = header.height};
}

}  // namespace driftd::embed
