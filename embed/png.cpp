// PNG by libpng's push reader, which is fed only the chunks that make pixels: text and profiles, which may inflate to
// gigabytes, never reach it, and it stops inflating when the last row is complete, whatever else the data hold.
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <png.h>

#include "embed/c_failure.hpp"
#include "embed/codec.hpp"
#include "embed/exif.hpp"

namespace driftd::embed {
namespace {

constexpr std::size_t kSignatureSize = 8;
constexpr std::size_t kChunkOverhead = 12;  // length, type, CRC

[[noreturn]] void damaged(const std::string& why) {
  throw Error{Errc::undecodable, "PNG is damaged or cut short: " + why};
}

struct Layout {
  int width = 0;
  int height = 0;
  bool interlaced = false;
  bool alpha = false;
  int orientation = 1;
  std::vector<Bytes> chunks;  // IHDR, PLTE, tRNS, IDAT, IEND, whole
};

void read_header(Layout& layout, Bytes data, const DecodeLimits& limits) {
  if (data.size() != 13) damaged("its header has a wrong length");
  check_size(big32(data, 0), big32(data, 4), limits);
  layout.width = static_cast<int>(big32(data, 0));
  layout.height = static_cast<int>(big32(data, 4));
  layout.alpha = (data[9] & PNG_COLOR_MASK_ALPHA) != 0;
  layout.interlaced = data[12] != PNG_INTERLACE_NONE;
}

// Takes one chunk into account. Returns false at the end of the image.
bool add_chunk(Layout& layout, std::string_view type, Bytes chunk, const DecodeLimits& limits) {
  const Bytes data = chunk.subspan(8, chunk.size() - kChunkOverhead);
  if (layout.chunks.empty() != (type == "IHDR")) damaged("it does not begin with one header");
  if (type == "IHDR") read_header(layout, data, limits);
  if (type == "acTL") throw Error{Errc::unsupported_media, "animated PNG is not accepted; send one still frame"};
  if (type == "eXIf") layout.orientation = exif_orientation(data);
  if (type == "tRNS") layout.alpha = true;
  const bool critical = type == "IHDR" || type == "PLTE" || type == "IDAT" || type == "IEND";
  if (critical || type == "tRNS") {
    layout.chunks.push_back(chunk);
  } else if ((static_cast<unsigned>(type[0]) & 0x20U) == 0) {
    damaged("it holds a critical chunk of an unknown kind");
  }
  return type != "IEND";
}

Layout walk_chunks(Bytes bytes, const DecodeLimits& limits) {
  Layout layout;
  for (std::size_t at = kSignatureSize;;) {
    if (bytes.size() - at < kChunkOverhead) damaged("its end is missing");
    const std::size_t length = big32(bytes, at);
    const std::size_t room = bytes.size() - at - kChunkOverhead;
    const std::string_view type{reinterpret_cast<const char*>(bytes.data()) + at + 4, 4};
    if (length > room) damaged("its end is missing");
    if (!add_chunk(layout, type, bytes.subspan(at, length + kChunkOverhead), limits)) return layout;
    at += length + kChunkOverhead;
  }
}

class Reader {
 public:
  Reader() {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, &failure_,
        [](png_structp png, png_const_charp text) { static_cast<CFailure*>(png_get_error_ptr(png))->raise(text); },
        [](png_structp, png_const_charp) {});
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) throw std::bad_alloc{};
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Writes rows of channels bytes a pixel to pixels.
  void read(const Layout& layout, Bytes signature, std::uint8_t* pixels, int channels) {
    pixels_ = pixels;
    channels_ = channels;
    stride_ = static_cast<std::size_t>(channels) * layout.width;
    attempt(failure_, "PNG", [&] {
      png_set_user_limits(png_, static_cast<png_uint_32>(layout.width), static_cast<png_uint_32>(layout.height));
      png_set_progressive_read_fn(png_, this, on_header, on_row, nullptr);
      feed(signature);
      for (const Bytes& chunk : layout.chunks) feed(chunk);
    });
    const bool complete = layout.interlaced
                              ? png_get_current_pass_number(png_) >= 7
                              : png_get_current_row_number(png_) >= static_cast<png_uint_32>(layout.height);
    if (!complete) damaged("rows are missing");
  }

 private:
  static Reader& self(png_structp png) { return *static_cast<Reader*>(png_get_progressive_ptr(png)); }

  static void on_header(png_structp png, png_infop info) {
    png_set_expand(png);    // palette, small depths and transparent colours
    png_set_scale_16(png);  // to 8 bits, rounded
    png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_channels(png, info) != self(png).channels_) png_error(png, "transparency is out of place");
  }

  static void on_row(png_structp png, png_bytep row, png_uint_32 y, int /*pass*/) {
    if (row != nullptr) png_progressive_combine_row(png, self(png).pixels_ + y * self(png).stride_, row);
  }

  // The push interface takes non-const bytes but only reads them.
  void feed(Bytes bytes) { png_process_data(png_, info_, const_cast<png_bytep>(bytes.data()), bytes.size()); }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  CFailure failure_;
  std::uint8_t* pixels_ = nullptr;
  int channels_ = 0;
  std::size_t stride_ = 0;
};

}  // namespace

Stored read_png(Bytes bytes, const DecodeLimits& limits) {
  const Layout layout = walk_chunks(bytes, limits);
  Image image = make_image(layout.width, layout.height);
  const Bytes signature = bytes.first(kSignatureSize);
  if (layout.alpha) {
    std::vector<std::uint8_t> rgba(image.rgb.size() / 3 * 4);
    Reader{}.read(layout, signature, rgba.data(), 4);
    composite_on_white(rgba, image.rgb);
  } else {
    Reader{}.read(layout, signature, image.rgb.data(), 3);
  }
  return {.image = std::move(image), .width = layout.width, .height = layout.height, .orientation = layout.orientation};
}

}  // namespace driftd::embed
