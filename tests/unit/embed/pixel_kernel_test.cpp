// All kernels of this processor give the same bits. That their resize is Pillow's is for
// tests/property/pillow_parity_test.py to check; averages and sums are compared with the plainest way to compute them.
#include "embed/pixel_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::embed;

namespace {

constexpr std::uint8_t kGuard = 77;  // behind what a pass is to write

using Random = std::mt19937_64;

int up_to(int most, Random& random) {
  return 1 + static_cast<int>(random() % static_cast<unsigned>(most));
}

// Noise, with black and white areas, where sums reach their limits.
Image noise(int width, int height, Random& random) {
  Image image{width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  const auto kind = random() % 4;
  for (auto& byte : image.rgb) byte = static_cast<std::uint8_t>(kind == 0 ? 255 * (random() % 2) : random());
  if (kind == 1) std::fill_n(image.rgb.begin(), image.rgb.size() / 2, std::uint8_t{255});
  return image;
}

PixelRows rows_of(const Image& image, int width) {
  const std::size_t stride = std::size_t{3} * image.width;
  return {.first = image.rgb.data(), .stride = stride, .length = std::size_t{3} * width, .count = image.height};
}

std::vector<std::uint8_t> written(std::size_t bytes, const auto& pass) {
  std::vector<std::uint8_t> out(bytes + 1, kGuard);
  pass(out.data());
  return out;
}

// Bytes with a page behind the last one that nobody may read.
class Fenced {
 public:
  explicit Fenced(std::span<const std::uint8_t> bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto pages = (bytes.size() + page - 1) / page * page;
    size_ = pages + page;
    start_ =
        static_cast<std::uint8_t*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(start_ != MAP_FAILED);
    REQUIRE(mprotect(start_ + pages, page, PROT_NONE) == 0);
    first_ = start_ + pages - bytes.size();
    std::ranges::copy(bytes, first_);
  }
  ~Fenced() { munmap(start_, size_); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  [[nodiscard]] const std::uint8_t* first() const { return first_; }

 private:
  std::uint8_t* start_ = nullptr;
  std::uint8_t* first_ = nullptr;
  std::size_t size_ = 0;
};

PixelSums plain_sums(const Image& image) {
  PixelSums sums;
  const auto pixel = [&](int x, int y) { return image.rgb.data() + 3L * (static_cast<long>(y) * image.width + x); };
  const auto luma = [&](int x, int y) {
    const auto mirrored = [](int at, int length) {
      const int within = at < 0 ? -at : at >= length ? 2 * (length - 1) - at : at;
      return std::clamp(within, 0, length - 1);
    };
    const auto* p = pixel(mirrored(x, image.width), mirrored(y, image.height));
    return std::lround((9798 * p[0] + 19235 * p[1] + 3735 * p[2]) / 32768.0);
  };
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const auto* p = pixel(x, y);
      const double largest = std::max({p[0], p[1], p[2]});
      const double smallest = std::min({p[0], p[1], p[2]});
      const auto here = luma(x, y);
      const auto edge = luma(x - 1, y) + luma(x + 1, y) + luma(x, y - 1) + luma(x, y + 1) - 4 * here;
      sums.luma += here;
      sums.luma_squared += here * here;
      sums.edges += edge;
      sums.edges_squared += edge * edge;
      sums.saturation += largest == 0 ? 0 : std::lround(255 * (largest - smallest) / largest);
    }
  }
  return sums;
}

}  // namespace

TEST_CASE("both passes of a resize give the same bytes with every kernel, and write no others") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  Random random{seed};
  for (int i = 0; i < 150; ++i) {
    const Filter filter = random() % 2 == 0 ? Filter::bilinear : Filter::bicubic;
    const int in = up_to(i % 3 == 0 ? 600 : 90, random);
    const int out = up_to(i % 2 == 0 ? 300 : 60, random);
    const int length = up_to(out, random);
    const ResampleAxis axis = resample_axis(in, out, filter, up_to(out - length + 1, random) - 1, length);
    const int other = up_to(70, random);
    const int used = axis.end() - axis.begin();
    CAPTURE(seed, i, in, out, length, axis.begin(), used, other);
    const Image wide = noise(used + i % 3, other, random);
    const Image tall = noise(other + i % 3, used, random);
    std::vector<std::uint8_t> along;
    std::vector<std::uint8_t> across;
    for (const PixelKernel& kernel : pixel_kernels()) {
      CAPTURE(kernel.name);
      const auto one = written(std::size_t{3} * length * other,
                               [&](std::uint8_t* to) { kernel.along(rows_of(wide, used), axis.begin(), axis, to); });
      const auto two = written(std::size_t{3} * length * other,
                               [&](std::uint8_t* to) { kernel.across(rows_of(tall, other), axis.begin(), axis, to); });
      REQUIRE(one.back() == kGuard);
      REQUIRE(two.back() == kGuard);
      if (along.empty()) along = one;
      if (across.empty()) across = two;
      REQUIRE(one == along);
      REQUIRE(two == across);
    }
  }
}

TEST_CASE("no kernel reads behind the last pixel") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(1, random(1, 1 << 30))));
  Random random{seed};
  for (int i = 0; i < 100; ++i) {
    const int in = up_to(200, random);
    const int out = up_to(100, random);
    const int other = up_to(40, random);
    const ResampleAxis axis = resample_axis(in, out, Filter::bicubic, 0, out);
    const Image wide = noise(in, other, random);
    const Image tall = noise(other, in, random);
    const Fenced wide_bytes{wide.rgb};
    const Fenced tall_bytes{tall.rgb};
    PixelRows rows = rows_of(wide, in);
    PixelRows columns = rows_of(tall, other);
    rows.first = wide_bytes.first();
    columns.first = tall_bytes.first();
    std::vector<std::uint8_t> result(std::size_t{3} * out * other);
    for (const PixelKernel& kernel : pixel_kernels()) {
      CAPTURE(seed, i, kernel.name, in, out, other);
      kernel.along(rows, 0, axis, result.data());
      kernel.across(columns, 0, axis, result.data());
    }
  }
}

TEST_CASE("an average of a block is that of its pixels, rounded, with every kernel") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  Random random{seed};
  for (int i = 0; i < 100; ++i) {
    const int block = 2 + static_cast<int>(random() % (i % 2 == 0 ? 3 : 20));
    const Image image = noise(block + up_to(150, random), block + up_to(60, random), random);
    for (const PixelKernel& kernel : pixel_kernels()) {
      const Image small = kernel.blocks(image, block);
      CAPTURE(seed, i, kernel.name, block, image.width, image.height);
      REQUIRE(small.width == image.width / block);
      REQUIRE(small.height == image.height / block);
      double worst = 0;
      for (std::size_t at = 0; at < small.rgb.size(); ++at) {
        const auto x = at / 3 % small.width * block;
        const auto y = at / 3 / small.width * block;
        double sum = 0;
        for (int k = 0; k < block * block; ++k)
          sum += image.rgb[3 * ((y + k / block) * image.width + x + k % block) + at % 3];
        worst = std::max(worst, std::abs(small.rgb[at] - sum / (block * block)));
      }
      REQUIRE(worst <= 0.5);
      REQUIRE(small.rgb == pixel_kernels().back().blocks(image, block).rgb);
    }
  }
}

TEST_CASE("sums over pixels are exact with every kernel") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  Random random{seed};
  for (int i = 0; i < 60; ++i) {
    const Image image = noise(i < 40 ? i + 1 : up_to(1000, random), i % 5 == 0 ? i / 5 + 1 : up_to(80, random), random);
    const PixelSums expected = plain_sums(image);
    for (const PixelKernel& kernel : pixel_kernels()) {
      const PixelSums sums = kernel.sums(image);
      CAPTURE(seed, i, kernel.name, image.width, image.height);
      REQUIRE(sums.luma == expected.luma);
      REQUIRE(sums.luma_squared == expected.luma_squared);
      REQUIRE(sums.edges == expected.edges);
      REQUIRE(sums.edges_squared == expected.edges_squared);
      REQUIRE(sums.saturation == pixel_kernels().back().sums(image).saturation);
      REQUIRE(std::abs(sums.saturation - expected.saturation) <= 1 + image.width * image.height / 20);  // halves
    }
  }
}
