// JPEG by libjpeg-turbo. Any warning counts as damage: libjpeg would otherwise fill what is missing with grey and call
// it a picture.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include "embed/c_failure.hpp"
#include "embed/codec.hpp"
#include "embed/exif.hpp"

namespace driftd::embed {
namespace {

struct Layout {
  int scans = 0;
  int orientation = 1;
};

// The luminance table that the JPEG standard suggests (ITU-T T.81, table K.1), in natural order. libjpeg and most other
// encoders scale it by quality.
constexpr std::array<int, DCTSIZE2> kStandardTable{
    16, 11,  10,  16, 24, 40, 51, 61, 12,  12,  14,  19,  26, 58, 60, 55,  14,  13,  16,  24, 40, 57,
    69, 56,  14,  17, 22, 29, 51, 87, 80,  62,  18,  22,  37, 56, 68, 109, 103, 77,  24,  35, 55, 64,
    81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,  112, 100, 103, 99};

// libjpeg's rule backwards: its table has 200 - 2 quality percent of the standard one from quality 50 up, 5000 /
// quality percent below. Tables of other makes come out near what looks alike.
int quality_of(const JQUANT_TBL& table) {
  double percent = 0;
  for (std::size_t i = 0; i < kStandardTable.size(); ++i) percent += 100.0 * table.quantval[i] / kStandardTable[i];
  percent /= DCTSIZE2;
  const double quality = percent <= 100 ? 100 - percent / 2 : 5000 / percent;
  return static_cast<int>(std::lround(std::clamp(quality, 1.0, 100.0)));
}

// Markers (ITU-T T.81, table B.1), each behind 0xFF.
constexpr std::uint8_t kSof0 = 0xC0;  // baseline
constexpr std::uint8_t kSof1 = 0xC1;  // extended
constexpr std::uint8_t kSof2 = 0xC2;  // progressive
constexpr std::uint8_t kDht = 0xC4;
constexpr std::uint8_t kSoi = 0xD8;
constexpr std::uint8_t kEoi = 0xD9;
constexpr std::uint8_t kSos = 0xDA;
constexpr std::uint8_t kDqt = 0xDB;
constexpr std::uint8_t kDri = 0xDD;
constexpr std::uint8_t kApp0 = 0xE0;
constexpr std::uint8_t kApp1 = 0xE1;
constexpr std::uint8_t kApp14 = 0xEE;

bool stands_alone(std::uint8_t marker) {
  return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD9);
}

// Finds the markers as libjpeg does, without decoding: each 0xFF followed by neither 0x00 nor 0xFF, segments skipped by
// length. all: also those behind the first scan; a file of one scan has nothing there, and most of its bytes.
Layout walk_markers(Bytes bytes, bool all) {
  Layout layout;
  bool seen_exif = false;
  std::size_t at = 2;  // after SOI
  while (at < bytes.size()) {
    const void* found = std::memchr(bytes.data() + at, 0xFF, bytes.size() - at);
    if (found == nullptr) break;
    at = static_cast<const std::uint8_t*>(found) - bytes.data();
    while (at < bytes.size() && bytes[at] == 0xFF) ++at;
    if (at + 3 > bytes.size()) break;
    const std::uint8_t marker = bytes[at++];
    if (marker == 0x00 || (stands_alone(marker) && marker != kEoi)) continue;
    if (marker == kEoi) break;
    if (marker == kSos) ++layout.scans;
    const std::size_t length = big16(bytes, at);
    const Bytes segment = bytes.subspan(at, std::min(length, bytes.size() - at));
    if (marker == kApp1 && !seen_exif && segment.size() > 8 && std::memcmp(segment.data() + 2, "Exif\0", 6) == 0) {
      layout.orientation = exif_orientation(segment.subspan(2));
      seen_exif = true;
    }
    at += segment.size();
    if (marker == kSos && !all) break;
  }
  return layout;
}

// Whether a segment says nothing but how pixels are coded.
bool is_of_picture(std::uint8_t marker, Bytes content) {
  const auto begins = [&](std::string_view name) {
    return content.size() >= name.size() && std::memcmp(content.data(), name.data(), name.size()) == 0;
  };
  switch (marker) {
    case kSof0:
    case kSof1:
    case kSof2:
      return content.size() >= 6 && (content[5] == 1 || content[5] == 3);
    case kDht:
    case kSos:
    case kDqt:
    case kDri:
      return true;
    case kApp0:
      return content.size() == 14 && begins({"JFIF\0", 5}) && content[12] == 0 && content[13] == 0;
    case kApp14:
      return content.size() == 12 && begins("Adobe");
    default:
      return false;
  }
}

// Where the next marker is, from inside a scan; the end where there is none.
std::size_t end_of_scan(Bytes bytes, std::size_t at) {
  for (; at + 1 < bytes.size(); ++at) {
    const bool restart = bytes[at + 1] >= 0xD0 && bytes[at + 1] <= 0xD7;
    if (bytes[at] == 0xFF && bytes[at + 1] != 0x00 && !restart) return at;
  }
  return bytes.size();
}

class Decompressor {
 public:
  explicit Decompressor(Bytes bytes) {
    info_.err = jpeg_std_error(&manager_);
    info_.client_data = &failure_;
    manager_.error_exit = [](j_common_ptr info) { raise(info); };
    manager_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) raise(info);
    };
    manager_.output_message = [](j_common_ptr) {};
    run([&] {
      jpeg_create_decompress(&info_);
      jpeg_mem_src(&info_, bytes.data(), bytes.size());
    });
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  void read_header() {
    run([&] { jpeg_read_header(&info_, TRUE); });
    if (components() != 1 && components() != 3 && components() != 4) {
      throw Error{Errc::undecodable,
                  "JPEG has " + std::to_string(components()) + " colour components; 1, 3 or 4 make sense"};
    }
  }
  [[nodiscard]] int width() const { return static_cast<int>(info_.image_width); }
  [[nodiscard]] int height() const { return static_cast<int>(info_.image_height); }
  [[nodiscard]] int components() const { return info_.num_components; }
  // Whether more scans may follow the first; where not, libjpeg refuses a file that has more.
  [[nodiscard]] bool has_many_scans() { return jpeg_has_multiple_scans(&info_) != FALSE; }

  // By the table of the first component, luma mostly. Between header and pixels: libjpeg lets go of the components when
  // the last row is read, but looks at the table's number, any byte of the file, only when it reads the first one.
  [[nodiscard]] int quality() const {
    const auto number = static_cast<std::size_t>(info_.comp_info[0].quant_tbl_no);
    const auto* table = number < NUM_QUANT_TBLS ? info_.quant_tbl_ptrs[number] : nullptr;
    return table == nullptr ? 100 : quality_of(*table);
  }

  // Decodes at 1/denominator of the size, into image.
  Image read_pixels(unsigned denominator) {
    info_.scale_num = 1;
    info_.scale_denom = denominator;
    info_.out_color_space = components() == 4 ? JCS_CMYK : JCS_RGB;
    run([&] { jpeg_calc_output_dimensions(&info_); });
    Image image = make_image(static_cast<int>(info_.output_width), static_cast<int>(info_.output_height));
    std::vector<std::uint8_t> cmyk(components() == 4 ? 4 * std::size_t{info_.output_width} : 0);
    run([&] { read_rows(image.rgb.data(), cmyk.data()); });
    return image;
  }

 private:
  [[noreturn]] static void raise(j_common_ptr info) {
    std::array<char, JMSG_LENGTH_MAX> text{};
    info->err->format_message(info, text.data());
    static_cast<CFailure*>(info->client_data)->raise(text.data());
  }

  template <class Step>
  void run(const Step& step) {
    attempt(failure_, "JPEG", step);
  }

  void read_rows(std::uint8_t* rgb, std::uint8_t* cmyk) {
    jpeg_start_decompress(&info_);
    const std::size_t width = info_.output_width;
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* to = rgb + 3 * width * info_.output_scanline;
      JSAMPROW row = cmyk != nullptr ? cmyk : to;
      jpeg_read_scanlines(&info_, &row, 1);
      for (std::size_t x = 0; cmyk != nullptr && x < width; ++x) {
        for (std::size_t c = 0; c < 3; ++c)
          to[3 * x + c] = static_cast<std::uint8_t>((cmyk[4 * x + c] * cmyk[4 * x + 3] + 127) / 255);
      }
    }
    jpeg_finish_decompress(&info_);  // reads on to the end marker: a file cut after its last row is noticed too
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr manager_{};
  CFailure failure_;
};

// The largest reduction that leaves the shorter side at least min_side pixels.
unsigned choose_denominator(int width, int height, int min_side) {
  if (min_side < 1) return 1;
  for (const int denominator : {8, 4, 2}) {
    if (std::min(width, height) / denominator >= min_side) return static_cast<unsigned>(denominator);
  }
  return 1;
}

}  // namespace

Stored read_jpeg(Bytes bytes, const DecodeOptions& options) {
  Decompressor jpeg{bytes};
  jpeg.read_header();
  check_size(jpeg.width(), jpeg.height(), options.limits);
  const Layout layout = walk_markers(bytes, jpeg.has_many_scans());
  const std::int64_t pixels = std::int64_t{jpeg.width()} * jpeg.height();
  // Each scan of a progressive file visits every coefficient again, so a small file can ask for hours of work.
  if (layout.scans > options.limits.max_scans ||
      (layout.scans > 1 && layout.scans * pixels > options.limits.max_scan_pixels)) {
    throw Error{Errc::too_large, "JPEG has " + std::to_string(layout.scans) + " scans of " + std::to_string(pixels) +
                                     " pixels; save it again as a baseline JPEG"};
  }
  const int quality = jpeg.quality();
  return {.image = jpeg.read_pixels(choose_denominator(jpeg.width(), jpeg.height(), options.min_side)),
          .width = jpeg.width(),
          .height = jpeg.height(),
          .orientation = layout.orientation,
          .jpeg_quality = quality};
}

std::optional<Size> bare_jpeg_size(Bytes bytes) {
  if (bytes.size() < 2 || bytes[0] != 0xFF || bytes[1] != kSoi) return std::nullopt;
  Size size;
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    const std::size_t length = big16(bytes, at + 2);
    if (bytes[at] != 0xFF || length < 2 || length > bytes.size() - at - 2) return std::nullopt;
    const std::uint8_t marker = bytes[at + 1];
    const Bytes content = bytes.subspan(at + 4, length - 2);
    if (!is_of_picture(marker, content)) return std::nullopt;
    if (marker <= kSof2) size = {static_cast<int>(big16(content, 3)), static_cast<int>(big16(content, 1))};
    at += 2 + length;
    if (marker == kSos) at = end_of_scan(bytes, at);
    if (bytes.size() - at == 2 && bytes[at] == 0xFF && bytes[at + 1] == kEoi)
      return size.width > 0 && size.height > 0 ? std::optional{size} : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace driftd::embed
