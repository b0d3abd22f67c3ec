#include "tests/support/images.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <zlib.h>

namespace driftd::test {
namespace {

void append(FileBytes& to, const FileBytes& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void append(FileBytes& to, std::string_view text) {
  to.insert(to.end(), text.begin(), text.end());
}

void append_little(FileBytes& to, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_big(FileBytes& to, std::uint32_t value, int size) {
  for (int i = size - 1; i >= 0; --i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

FileBytes png_chunk(std::string_view type, const FileBytes& data) {
  FileBytes chunk;
  append_big(chunk, static_cast<std::uint32_t>(data.size()), 4);
  append(chunk, type);
  append(chunk, data);
  append_big(chunk, static_cast<std::uint32_t>(crc32(0, chunk.data() + 4, static_cast<uInt>(chunk.size() - 4))), 4);
  return chunk;
}

FileBytes riff(std::string_view chunk_type, const FileBytes& chunk, const FileBytes& rest = {}) {
  FileBytes body;
  append(body, "WEBP");
  append(body, chunk_type);
  append_little(body, static_cast<std::uint32_t>(chunk.size()), 4);
  append(body, chunk);
  if (chunk.size() % 2 == 1) body.push_back(0);
  append(body, rest);
  FileBytes file;
  append(file, "RIFF");
  append_little(file, static_cast<std::uint32_t>(body.size()), 4);
  append(file, body);
  return file;
}

FileBytes vp8x(std::uint8_t flags, int width, int height) {
  FileBytes chunk{flags, 0, 0, 0};
  append_little(chunk, static_cast<std::uint32_t>(width - 1), 3);
  append_little(chunk, static_cast<std::uint32_t>(height - 1), 3);
  return chunk;
}

FileBytes encode_png(int width, int height, png_uint_32 format, const std::uint8_t* pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = format;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  FileBytes file(size);
  if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels, 0, nullptr) == 0)
    throw std::runtime_error{image.message};
  file.resize(size);
  return file;
}

std::vector<jpeg_scan_info> one_scan_per_coefficient() {
  std::vector<jpeg_scan_info> scans{
      {.comps_in_scan = 3, .component_index = {0, 1, 2, 0}, .Ss = 0, .Se = 0, .Ah = 0, .Al = 0}};
  for (int component = 0; component < 3; ++component) {
    for (int k = 1; k < 64; ++k) {
      scans.push_back(
          {.comps_in_scan = 1, .component_index = {component, 0, 0, 0}, .Ss = k, .Se = k, .Ah = 0, .Al = 0});
    }
  }
  return scans;
}

}  // namespace

embed::Image picture(int width, int height, unsigned seed) {
  std::mt19937 random{seed};
  embed::Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double wave = 128 + 90 * std::sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + seed);
        image.rgb.push_back(static_cast<std::uint8_t>(wave + static_cast<double>(random() % 16)));
      }
    }
  }
  return image;
}

FileBytes encode_jpeg(const embed::Image& image, JpegKind kind, int quality) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  const auto scans = one_scan_per_coefficient();
  if (kind == JpegKind::progressive) jpeg_simple_progression(&info);
  if (kind == JpegKind::one_scan_per_coefficient) {
    info.scan_info = scans.data();
    info.num_scans = static_cast<int>(scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(image.rgb.data() + std::size_t{3} * image.width * info.next_scanline);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  FileBytes file(out, out + size);
  std::free(out);
  return file;
}

FileBytes encode_png(const embed::Image& image) {
  return encode_png(image.width, image.height, PNG_FORMAT_RGB, image.rgb.data());
}

FileBytes encode_png_rgba(int width, int height, std::span<const std::uint8_t> rgba) {
  return encode_png(width, height, PNG_FORMAT_RGBA, rgba.data());
}

FileBytes encode_webp(const embed::Image& image) {
  std::uint8_t* out = nullptr;
  const std::size_t size = WebPEncodeLosslessRGB(image.rgb.data(), image.width, image.height, 3 * image.width, &out);
  FileBytes file(out, out + size);
  WebPFree(out);
  return file;
}

FileBytes encode_bmp(const embed::Image& image, bool top_down) {
  const std::size_t stride = (std::size_t{3} * image.width + 3) / 4 * 4;
  FileBytes file{'B', 'M'};
  append_little(file, static_cast<std::uint32_t>(54 + stride * image.height), 4);
  append_little(file, 0, 4);
  append_little(file, 54, 4);  // where the rows begin
  append_little(file, 40, 4);
  append_little(file, static_cast<std::uint32_t>(image.width), 4);
  append_little(file, static_cast<std::uint32_t>(top_down ? -image.height : image.height), 4);
  append_little(file, 1, 2);
  append_little(file, 24, 2);
  for (int i = 0; i < 6; ++i) append_little(file, 0, 4);
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.rgb.data() + std::size_t{3} * image.width * (top_down ? y : image.height - 1 - y);
    for (int x = 0; x < image.width; ++x) append(file, {row[3 * x + 2], row[3 * x + 1], row[3 * x]});
    file.resize(file.size() + stride - std::size_t{3} * image.width);
  }
  return file;
}

FileBytes exif_block(int orientation) {
  FileBytes block{'I', 'I', '*', 0};
  append_little(block, 8, 4);       // the directory follows
  append_little(block, 1, 2);       // one entry
  append_little(block, 0x0112, 2);  // orientation
  append_little(block, 3, 2);       // a short
  append_little(block, 1, 4);
  append_little(block, static_cast<std::uint32_t>(orientation), 4);
  append_little(block, 0, 4);  // no next directory
  return block;
}

FileBytes jpeg_with_exif(FileBytes jpeg, const FileBytes& exif) {
  FileBytes segment{0xFF, 0xE1};
  append_big(segment, static_cast<std::uint32_t>(2 + 6 + exif.size()), 2);
  append(segment, {'E', 'x', 'i', 'f', 0, 0});
  append(segment, exif);
  jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
  return jpeg;
}

FileBytes png_with_chunk(FileBytes png, std::string_view type, const FileBytes& data, int times) {
  constexpr std::ptrdiff_t kAfterHeader = 8 + 25;
  const FileBytes chunk = png_chunk(type, data);
  FileBytes chunks;
  for (int i = 0; i < times; ++i) append(chunks, chunk);
  png.insert(png.begin() + kAfterHeader, chunks.begin(), chunks.end());
  return png;
}

FileBytes webp_with_exif(const embed::Image& image, const FileBytes& exif) {
  constexpr std::uint8_t kExifFlag = 0x08;
  const FileBytes plain = encode_webp(image);
  FileBytes rest(plain.begin() + 12, plain.end());
  append(rest, "EXIF");
  append_little(rest, static_cast<std::uint32_t>(exif.size()), 4);
  append(rest, exif);
  return riff("VP8X", vp8x(kExifFlag, image.width, image.height), rest);
}

FileBytes jpeg_claiming(FileBytes jpeg, unsigned width, unsigned height) {
  for (std::size_t at = 2; at + 9 < jpeg.size();) {
    const std::uint8_t marker = jpeg[at + 1];
    if (marker == 0xC0 || marker == 0xC2) {
      FileBytes size;
      append_big(size, height, 2);
      append_big(size, width, 2);
      std::copy(size.begin(), size.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(at) + 5);
      return jpeg;
    }
    at += 2 + (std::size_t{jpeg[at + 2]} << 8U | jpeg[at + 3]);
  }
  throw std::runtime_error{"no frame header in the JPEG"};
}

FileBytes deflate(const FileBytes& bytes) {
  uLongf size = compressBound(bytes.size());
  FileBytes packed(size);
  if (compress(packed.data(), &size, bytes.data(), bytes.size()) != Z_OK) throw std::runtime_error{"zlib failed"};
  packed.resize(size);
  return packed;
}

FileBytes png_inflating_to(int megabytes) {
  // A block that ends in a full flush stands alone, so one of 1 MB can be repeated.
  const FileBytes zeros(1U << 20U);
  z_stream stream{};
  deflateInit(&stream, Z_BEST_COMPRESSION);
  FileBytes block(64U << 10U);
  stream.next_in = const_cast<Bytef*>(zeros.data());
  stream.avail_in = static_cast<uInt>(zeros.size());
  stream.next_out = block.data();
  stream.avail_out = static_cast<uInt>(block.size());
  ::deflate(&stream, Z_FULL_FLUSH);
  block.resize(block.size() - stream.avail_out);
  deflateEnd(&stream);

  constexpr std::ptrdiff_t kZlibHeader = 2;
  FileBytes data = block;
  for (int i = 1; i < megabytes; ++i) data.insert(data.end(), block.begin() + kZlibHeader, block.end());
  append(data, {3, 0});  // an empty last block
  FileBytes file{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  append(file, png_chunk("IHDR", {0, 0, 0, 4, 0, 0, 0, 4, 8, 2, 0, 0, 0}));
  append(file, png_chunk("IDAT", data));
  append(file, png_chunk("IEND", {}));
  return file;
}

FileBytes webp_header(unsigned width, unsigned height) {
  FileBytes chunk{0x2F};  // 14 bits of width - 1, 14 bits of height - 1, no alpha, version 0
  append_little(chunk, (width - 1) | (height - 1) << 14U, 4);
  chunk.resize(14);
  return riff("VP8L", chunk);
}

FileBytes animated_webp() {
  constexpr std::uint8_t kAnimationFlag = 0x02;
  FileBytes rest;
  append(rest, "ANIM");
  append_little(rest, 6, 4);
  rest.resize(rest.size() + 6);
  return riff("VP8X", vp8x(kAnimationFlag, 8, 8), rest);
}

}  // namespace driftd::test
