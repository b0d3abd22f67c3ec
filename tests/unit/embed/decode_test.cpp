#include "embed/decode.hpp"

#include <algorithm>
#include <array>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"

using namespace driftd;
using namespace driftd::embed;

namespace {

// Row-major colours of the pixels of an image, as single letters: a for the brightest red, by steps of 40.
std::string letters(const Image& image) {
  std::string text;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) text += static_cast<char>('a' + image.rgb[i] / 40);
  return text;
}

// "abc" over "def".
Image six_pixels() {
  Image image{3, 2, {}};
  for (std::uint8_t value = 0; value <= 200; value += 40) image.rgb.insert(image.rgb.end(), 3, value);
  return image;
}

}  // namespace

TEST_CASE("the first bytes alone tell the format") {
  const Image image = test::picture(8, 8);
  CHECK(sniff(test::encode_jpeg(image)) == Format::jpeg);
  CHECK(sniff(test::encode_png(image)) == Format::png);
  CHECK(sniff(test::encode_webp(image)) == Format::webp);
  CHECK(sniff(test::encode_bmp(image)) == Format::bmp);
  CHECK(to_string(Format::webp) == "webp");
}

TEST_CASE("bytes of no accepted format are unsupported") {
  const std::string text =
      GENERATE("", "hello, I am holiday.jpg", "GIF89a", "RIFF\x10\x00\x00\x00WAVE", "\x89PNG", "II*", "\xFF\xD8");
  CAPTURE(text);
  const test::FileBytes bytes(text.begin(), text.end());
  CHECK(test::code_of([&] { return decode(bytes); }) == Errc::unsupported_media);
}

TEST_CASE("lossless formats give back every pixel") {
  const Image image = test::picture(37, 21);
  const Decoded png = decode(test::encode_png(image));
  CHECK(png.image.rgb == image.rgb);
  CHECK(png.width == 37);
  CHECK(png.height == 21);
  CHECK(decode(test::encode_webp(image)).image.rgb == image.rgb);
  CHECK(decode(test::encode_bmp(image)).image.rgb == image.rgb);
  CHECK(decode(test::encode_bmp(image, true)).image.rgb == image.rgb);
}

TEST_CASE("a JPEG comes close to its source, baseline or progressive") {
  const Image image = test::picture(64, 48);
  const auto kind = GENERATE(test::JpegKind::baseline, test::JpegKind::progressive);
  const Image decoded = decode(test::encode_jpeg(image, kind, 98)).image;
  REQUIRE(decoded.rgb.size() == image.rgb.size());
  double sum = 0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) sum += std::abs(decoded.rgb[i] - image.rgb[i]);
  CHECK(sum / static_cast<double>(image.rgb.size()) < 5);
}

TEST_CASE("every EXIF orientation is applied") {
  const auto [orientation, expected] = GENERATE(table<int, std::string>({{1, "abcdef"},
                                                                         {2, "cbafed"},
                                                                         {3, "fedcba"},
                                                                         {4, "defabc"},
                                                                         {5, "adbecf"},
                                                                         {6, "daebfc"},
                                                                         {7, "fcebda"},
                                                                         {8, "cfbead"}}));
  CAPTURE(orientation);
  const auto exif = test::exif_block(orientation);
  for (const auto& file :
       {test::png_with_chunk(test::encode_png(six_pixels()), "eXIf", exif), test::webp_with_exif(six_pixels(), exif)}) {
    const Decoded decoded = decode(file);
    CHECK(letters(decoded.image) == expected);
    CHECK(decoded.width == (orientation < 5 ? 3 : 2));
    CHECK(decoded.image.width == decoded.width);
    CHECK(decoded.image.height == decoded.height);
  }
}

TEST_CASE("a JPEG's EXIF orientation swaps its sides") {
  const Decoded decoded = decode(test::jpeg_with_exif(test::encode_jpeg(test::picture(40, 16)), test::exif_block(6)));
  CHECK(decoded.width == 16);
  CHECK(decoded.height == 40);
}

TEST_CASE("a malformed EXIF block leaves the image as it is stored") {
  auto exif = GENERATE(
      test::FileBytes{}, test::FileBytes{'I', 'I', '*', 0}, test::FileBytes{'I', 'I', '*', 0, 255, 255, 255, 255},
      test::FileBytes{'M', 'M', 0, '*', 0, 0, 0, 8, 255, 255}, test::exif_block(0), test::exif_block(9));
  const auto file = test::png_with_chunk(test::encode_png(six_pixels()), "eXIf", exif);
  CHECK(letters(decode(file).image) == "abcdef");
}

TEST_CASE("transparent pixels are composited on white") {
  const std::array<std::uint8_t, 12> rgba{10, 20, 30, 0, 10, 20, 30, 255, 0, 100, 255, 128};
  const Image image = decode(test::encode_png_rgba(3, 1, rgba)).image;
  CHECK(image.rgb == std::vector<std::uint8_t>{255, 255, 255, 10, 20, 30, 127, 177, 255});
}

TEST_CASE("a large JPEG is decoded at the scale that min_side allows") {
  const auto jpeg = test::encode_jpeg(test::picture(803, 403));
  const auto [min_side, width, height] =
      GENERATE(table<int, int, int>({{0, 803, 403}, {300, 803, 403}, {201, 402, 202}, {100, 201, 101}, {1, 101, 51}}));
  CAPTURE(min_side);
  const Decoded decoded = decode(jpeg, {.min_side = min_side});
  CHECK(decoded.image.width == width);
  CHECK(decoded.image.height == height);
  CHECK(decoded.image.rgb.size() == std::size_t{3} * width * height);
  CHECK(decoded.width == 803);
  CHECK(decoded.height == 403);
}

TEST_CASE("a JPEG's quality is told from its quantisation table, other formats have all of it") {
  const int quality = GENERATE(1, 5, 10, 25, 49, 50, 51, 75, 90, 95);
  const Decoded decoded = decode(test::encode_jpeg(test::picture(40, 16), test::JpegKind::baseline, quality));
  CAPTURE(decoded.jpeg_quality);
  CHECK(std::abs(decoded.jpeg_quality - quality) <= (quality < 25 ? 8 : 1));  // entries end at 255
  const std::array<std::uint8_t, 4> rgba{10, 20, 30, 255};
  CHECK(decode(test::encode_png_rgba(1, 1, rgba)).jpeg_quality == 100);
}

TEST_CASE("a JPEG that is nothing but a picture is told from one with more in it, and other files") {
  const auto size_of = [](const test::FileBytes& file) {
    const auto size = bare_jpeg_size(file).value_or(Size{});
    return std::pair{size.width, size.height};
  };
  const auto kNone = std::pair{0, 0};
  const auto image = test::picture(48, 32);
  const auto jpeg = test::encode_jpeg(image);
  CHECK(size_of(jpeg) == std::pair{48, 32});
  CHECK(size_of(test::encode_jpeg(image, test::JpegKind::progressive)) == std::pair{48, 32});

  CHECK(size_of(test::jpeg_with_exif(jpeg, test::exif_block(1))) == kNone);
  const auto with = [&](std::size_t at, const test::FileBytes& more) {
    auto file = jpeg;
    file.insert(file.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
    return file;
  };
  CHECK(size_of(with(2, {0xFF, 0xFE, 0, 4, 'h', 'i'})) == kNone);               // a comment
  CHECK(size_of(with(2, {0xFF, 0xE0, 0, 7, 'J', 'F', 'X', 'X', 0})) == kNone);  // a preview
  CHECK(size_of(with(jpeg.size(), {'h', 'i'})) == kNone);                       // behind the end
  CHECK(size_of(with(jpeg.size(), jpeg)) == kNone);                             // a second picture
  CHECK(size_of(test::encode_png(image)) == kNone);
  CHECK(size_of(test::jpeg_claiming(jpeg, 0, 32)) == kNone);
  for (std::size_t size = 0; size < jpeg.size(); ++size) {
    CAPTURE(size);
    CHECK(size_of({jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(size)}) == kNone);
  }
}

TEST_CASE("BMP variants beyond plain 8, 24 and 32 bits are unsupported") {
  auto bmp = test::encode_bmp(test::picture(8, 8));
  const auto [offset, value] =
      GENERATE(table<std::size_t, int>({{14, 12}, {14, 255}, {28, 1}, {28, 4}, {28, 16}, {30, 1}, {30, 3}}));
  CAPTURE(offset, value);
  bmp[offset] = static_cast<std::uint8_t>(value);
  CHECK(test::code_of([&] { return decode(bmp); }) == Errc::unsupported_media);
}

TEST_CASE("animations are unsupported") {
  const auto apng = test::png_with_chunk(test::encode_png(six_pixels()), "acTL", {0, 0, 0, 2, 0, 0, 0, 0});
  CHECK(test::code_of([&] { return decode(apng); }) == Errc::unsupported_media);
  CHECK(test::code_of([] { return decode(test::animated_webp()); }) == Errc::unsupported_media);
}
