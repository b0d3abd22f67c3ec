// Images made to hurt: each must be refused, or decoded, in little time and memory.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <random>

#include "embed/decode.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"

using namespace driftd;
using namespace driftd::embed;

namespace {

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Processor time and memory of a call, against bounds that a sanitizer or a busy machine still meets.
template <class Call>
void check_cheap(const Call& call) {
  const long before = peak_kilobytes();
  const std::clock_t start = std::clock();
  call();
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 0.5);
  CHECK(peak_kilobytes() - before < 64L * 1024);
}

std::vector<test::FileBytes> one_of_each() {
  const Image image = test::picture(48, 32);
  std::vector<std::uint8_t> rgba(std::size_t{4} * 16 * 16, 100);
  return {test::encode_jpeg(image),
          test::encode_jpeg(image, test::JpegKind::progressive),
          test::jpeg_with_exif(test::encode_jpeg(image), test::exif_block(6)),
          test::encode_png(image),
          test::png_with_chunk(test::encode_png_rgba(16, 16, rgba), "eXIf", test::exif_block(3)),
          test::encode_webp(image),
          test::webp_with_exif(image, test::exif_block(8)),
          test::encode_bmp(image)};
}

int mutations() {
  const char* wanted = std::getenv("DRIFTD_MUTATIONS");
  return wanted != nullptr ? std::atoi(wanted) : 400;
}

unsigned seed() {
  const char* wanted = std::getenv("DRIFTD_SEED");
  return wanted != nullptr ? static_cast<unsigned>(std::atoi(wanted)) : 20240229U;
}

void mutate(test::FileBytes& bytes, std::mt19937& random) {
  const auto somewhere = [&] { return bytes.begin() + static_cast<std::ptrdiff_t>(random() % bytes.size()); };
  for (unsigned changes = 1 + random() % 8; changes > 0 && !bytes.empty(); --changes) {
    const auto at = somewhere();
    switch (random() % 5) {
      case 0:
        *at = static_cast<std::uint8_t>(random());
        break;
      case 1:
        *at = static_cast<std::uint8_t>(*at ^ 1U << random() % 8);
        break;
      case 2:
        *at = random() % 2 != 0 ? 0xFF : 0x00;
        break;
      case 3:
        bytes.erase(at, std::min(bytes.end(), at + static_cast<std::ptrdiff_t>(random() % 16)));
        break;
      case 4: {
        const test::FileBytes copy(at, std::min(bytes.end(), at + static_cast<std::ptrdiff_t>(random() % 32)));
        bytes.insert(somewhere(), copy.begin(), copy.end());
        break;
      }
    }
  }
}

}  // namespace

TEST_CASE("a header that claims 16000 x 16000 pixels is too large, whatever follows") {
  auto png = test::encode_png(test::picture(4, 4));
  png[18] = png[22] = 0x3E;  // 0x3E80 = 16000
  png[19] = png[23] = 0x80;
  auto bmp = test::encode_bmp(test::picture(4, 4));
  bmp[18] = bmp[22] = 0x80;
  bmp[19] = bmp[23] = 0x3E;
  const auto webp = test::webp_header(16'000, 16'000);
  REQUIRE(webp.size() == 34);
  for (const auto& file :
       {webp, test::jpeg_claiming(test::encode_jpeg(test::picture(16, 16)), 16'000, 16'000), png, bmp}) {
    CAPTURE(to_string(sniff(file)));
    check_cheap([&] { CHECK(test::code_of([&] { return decode(file); }) == Errc::too_large); });
  }
}

TEST_CASE("a side over the limit is too large though the area is small") {
  const DecodeOptions options{.limits = {.max_side = 20}};
  for (const auto& file : {test::encode_jpeg(test::picture(21, 4)), test::encode_png(test::picture(4, 21)),
                           test::encode_webp(test::picture(21, 4)), test::encode_bmp(test::picture(4, 21), true)}) {
    CHECK(test::code_of([&] { return decode(file, options); }) == Errc::too_large);
  }
  CHECK_NOTHROW(decode(test::encode_png(test::picture(20, 20)), options));
}

TEST_CASE("a file cut anywhere is undecodable") {
  const auto file = GENERATE(from_range(one_of_each()));
  const auto smallest = sniff(file) == Format::bmp ? 2U : 12U;  // enough to tell the format
  for (std::size_t size = file.size() - 1; size >= smallest; size -= 1 + size / 40) {
    CAPTURE(to_string(sniff(file)), size, file.size());
    CHECK(test::code_of([&] { return decode(std::span{file}.first(size)); }) == Errc::undecodable);
  }
}

TEST_CASE("gigabytes of compressed text in a PNG are never inflated") {
  test::FileBytes text{'a', 0, 0};
  const auto packed = test::deflate(test::FileBytes(7'000'000));
  text.insert(text.end(), packed.begin(), packed.end());
  const auto file = test::png_with_chunk(test::encode_png(test::picture(4, 4)), "zTXt", text, 900);
  REQUIRE(file.size() > 6'000'000);
  check_cheap([&] { CHECK(decode(file).image.rgb == test::picture(4, 4).rgb); });
}

TEST_CASE("pixel data that inflate to 512 megabytes behind the last row are left alone") {
  const auto file = test::png_inflating_to(512);
  check_cheap([&] { CHECK(decode(file).image.rgb == std::vector<std::uint8_t>(48)); });
}

TEST_CASE("a PNG with fewer rows than its header says is undecodable") {
  auto png = test::png_inflating_to(1);
  const auto with_height = [&](std::uint8_t high) {
    auto file = test::encode_png(test::picture(4, 4));
    file[22] = high;  // the checksum no longer fits either
    return file;
  };
  CHECK(test::code_of([&] { return decode(with_height(2)); }) == Errc::undecodable);
  const test::FileBytes header{0, 0, 0, 4, 0, 0, 0, 5, 8, 2, 0, 0, 0};
  auto taller = test::png_with_chunk(test::encode_png(test::picture(4, 4)), "IHDR", header);
  taller.erase(taller.begin() + 8, taller.begin() + 8 + 25);
  CHECK(test::code_of([&] { return decode(taller); }) == Errc::undecodable);
}

TEST_CASE("a damaged checksum makes a PNG undecodable") {
  auto png = test::encode_png(test::picture(16, 16));
  const std::size_t end = png.size() - 12;  // IEND
  const auto offset = GENERATE_COPY(std::size_t{29}, end - 1, end - 8);
  png[offset] ^= 0x40U;
  CHECK(test::code_of([&] { return decode(png); }) == Errc::undecodable);
}

TEST_CASE("a JPEG with more scans than the limits allow is too large") {
  const auto jpeg = test::encode_jpeg(test::picture(64, 64), test::JpegKind::one_scan_per_coefficient);
  check_cheap([&] { CHECK(test::code_of([&] { return decode(jpeg); }) == Errc::too_large); });
  CHECK_NOTHROW(decode(jpeg, {.limits = {.max_scans = 190}}));
  CHECK(test::code_of([&] {
          return decode(jpeg, {.limits = {.max_scans = 190, .max_scan_pixels = 64 * 64 * 190 - 1}});
        }) == Errc::too_large);
}

TEST_CASE("a JPEG that names a quantisation table of which there are only four is undecodable") {
  auto jpeg = test::encode_jpeg(test::picture(16, 16));
  constexpr std::array<std::uint8_t, 4> kFrame{0xFF, 0xC0, 0, 17};  // baseline, three components
  const auto frame = std::search(jpeg.begin(), jpeg.end(), kFrame.begin(), kFrame.end());
  REQUIRE(frame < jpeg.end() - 12);
  auto& table = frame[12];  // of the first component
  table = static_cast<std::uint8_t>(GENERATE(4, 5, 64, 200, 255));
  CAPTURE(int{table});
  CHECK(test::code_of([&] { return decode(jpeg); }) == Errc::undecodable);
}

TEST_CASE("twelve megapixels decode within a second of processor time") {
  const auto jpeg = test::encode_jpeg(test::picture(4000, 3000));
  const std::clock_t start = std::clock();
  CHECK(decode(jpeg, {.min_side = 448}).image.width == 1000);
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 1.0);
}

TEST_CASE("a randomly damaged file is decoded or refused, never anything else") {
  const auto file = GENERATE(from_range(one_of_each()));
  std::mt19937 random{seed()};
  const DecodeOptions options{.limits = {.max_pixels = 1'000'000}};
  for (int i = 0; i < mutations(); ++i) {
    CAPTURE(seed(), i, to_string(sniff(file)));
    auto damaged = file;
    mutate(damaged, random);
    const auto bare = bare_jpeg_size(damaged);
    try {
      const Decoded decoded = decode(damaged, options);
      REQUIRE(decoded.image.rgb.size() == std::size_t{3} * decoded.image.width * decoded.image.height);
      REQUIRE((!bare || (bare->width == decoded.width && bare->height == decoded.height)));
    } catch (const Error& error) {
      const bool expected = error.code() == Errc::undecodable || error.code() == Errc::too_large ||
                            error.code() == Errc::unsupported_media;
      REQUIRE(expected);
    }
  }
}
