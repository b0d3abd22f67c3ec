#include "api/reference_image.hpp"

#include <filesystem>
#include <fstream>

#include "core/file.hpp"
#include "embed/decode.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;
namespace fs = std::filesystem;

namespace {

void write_picture(const fs::path& path) {
  const auto jpeg = test::encode_jpeg(test::picture(300, 200));
  write_file_atomically(path, std::as_bytes(std::span{jpeg}));
}

Reference reference_at(const std::string& root) {
  index::Segment items{2};
  auto normal = std::make_shared<Normal>();
  normal->image_root = root;
  items.set_companion(std::move(normal));
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(items)),
                                                  index::Tail{2}.view(), nullptr, nullptr)};
}

std::optional<Errc> refusal(const Reference& reference, const std::string& uri) {
  return test::code_of([&] { return reference_image(reference, {"0", "", uri, ""}).size(); });
}

}  // namespace

TEST_CASE("a training image is shown small, by its uri in the folder that the reference was built from") {
  test::TempDir dir;
  fs::create_directories(dir / "train/bag");
  write_picture(dir / "train/bag/1.jpg");
  const auto reference = reference_at((dir / "train").string());
  CHECK(has_images(reference));
  const auto jpeg = reference_image(reference, {"0", "bag", "bag/1.jpg", ""});
  const auto shown = embed::decode(jpeg);
  CHECK(shown.format == embed::Format::jpeg);
  CHECK(shown.width == 96);
  CHECK(shown.height == 64);
  CHECK_FALSE(reference_image(reference, {"0", "bag", (dir / "train/bag/../bag/1.jpg").string(), ""}).empty());
}

TEST_CASE("nothing outside of that folder is ever read, whatever an item's uri says") {
  test::TempDir dir;
  fs::create_directories(dir / "train/bag");
  fs::create_directories(dir / "trainee");
  write_picture(dir / "secret.jpg");
  write_picture(dir / "trainee/1.jpg");
  fs::create_symlink(dir / "secret.jpg", dir / "train/link.jpg");
  fs::create_directory_symlink(dir / "trainee", dir / "train/linked");
  std::ofstream{dir / "train/text.jpg"} << "no picture";
  const auto reference = reference_at((dir / "train").string());
  for (const auto& uri : std::vector<std::string>{
           "../secret.jpg", "bag/../../secret.jpg", (dir / "secret.jpg").string(), "../trainee/1.jpg", "link.jpg",
           "linked/1.jpg", "", ".", "bag", "gone.jpg", "text.jpg", "/dev/zero", "/proc/self/environ",
           std::string{"bag\0.jpg", 8}, std::string(5000, 'a')}) {
    CAPTURE(uri);
    CHECK(refusal(reference, uri) == Errc::not_found);
  }
}

TEST_CASE("a reference without a folder, or whose folder has gone, has no images to show") {
  CHECK_FALSE(has_images(reference_at("")));
  CHECK_FALSE(has_images(reference_at("/nowhere/at/all")));
  CHECK(refusal(reference_at(""), "a.jpg") == Errc::not_found);
  CHECK(refusal(reference_at("/nowhere/at/all"), "a.jpg") == Errc::not_found);
}
