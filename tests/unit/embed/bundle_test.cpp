#include "embed/bundle.hpp"

#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <span>
#include <string>

#include "core/digest.hpp"
#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::embed;
namespace fs = std::filesystem;

namespace {

void write_floats(const fs::path& path, const std::vector<float>& values) {
  write_file_atomically(path, std::as_bytes(std::span{values}));
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::logic_error{"the manifest has no " + from};
  text.replace(at, from.size(), to);
}

// A complete bundle of a 2 x 1 model with three outputs. Its weights are no program: read_bundle() does not load them.
class TestBundle {
 public:
  TestBundle() {
    write_file_atomically(dir_ / "model.pt", "weights");
    write_file_atomically(dir_ / "model-b8.pt2", "more weights");
    write_file_atomically(dir_ / "in.u8", "abcdefABCDEF");
    write_floats(dir_ / "out.f32", {1, 0, 1, 0, 1, 1});
    save(manifest());
  }
  [[nodiscard]] const fs::path& path() const { return dir_.path(); }
  [[nodiscard]] fs::path operator/(const std::string& name) const { return dir_ / name; }

  [[nodiscard]] std::string manifest() const {
    return R"({"format":2,"name":"tiny","created":"2026-01-01T00:00:00Z","dimension":3,
      "pools":[{"name":"s8","dimension":2},{"name":"head","dimension":1}],
      "preprocess":{"mode":"short_side","short_side":4,"height":2,"width":1,"filter":"bicubic","mean":[0,0.5,1],"std":[1,2,0.5]},
      "precision":"fp32",
      "weights":[{"file":"model.pt","format":"torchscript","batch":0},{"file":"model-b8.pt2","format":"aotinductor","batch":8,"milliseconds":41.5,"milliseconds_together":22}],
      "golden":{"input":"in.u8","output":"out.f32","count":2,"tolerance":0.0005},
      "files":{)" +
           entry("model.pt") + "," + entry("model-b8.pt2") + "," + entry("in.u8") + "," + entry("out.f32") + "}}";
  }
  void save(const std::string& text) const { write_file_atomically(dir_ / "model.json", text); }

 private:
  [[nodiscard]] std::string entry(const std::string& name) const {
    return "\"" + name + R"(":{"sha256":")" + sha256_file(dir_ / name) + R"(","size":)" +
           std::to_string(fs::file_size(dir_ / name)) + "}";
  }
  test::TempDir dir_;
};

}  // namespace

TEST_CASE("a bundle is read as it was exported") {
  const TestBundle files;
  const Bundle bundle = read_bundle(files.path());
  CHECK(bundle.name == "tiny");
  CHECK(bundle.id() == "tiny@sha256:" + sha256_file(files / "model.json"));
  CHECK(bundle.dimension == 3);
  REQUIRE(bundle.pools.size() == 2);
  CHECK(bundle.pools[0].name == "s8");
  CHECK(bundle.pools[1].dimension == 1);
  CHECK(bundle.preprocess.mode == Preprocess::Mode::short_side);
  CHECK(bundle.preprocess.filter == Filter::bicubic);
  REQUIRE(bundle.weights.size() == 2);
  CHECK(bundle.weights[0].path == files / "model.pt");
  CHECK(bundle.weights[1].format == Bundle::WeightsFormat::aotinductor);
  CHECK(bundle.weights[1].batch == 8);
  CHECK(bundle.weights[1].milliseconds == 41.5);
  CHECK(bundle.weights[1].milliseconds_together == 22);
  REQUIRE(bundle.golden_input.size() == 2);
  CHECK(bundle.golden_input[1].width == 1);
  CHECK(bundle.golden_input[1].height == 2);
  CHECK(bundle.golden_input[1].rgb == std::vector<std::uint8_t>{'A', 'B', 'C', 'D', 'E', 'F'});
  CHECK(bundle.golden_output.row(1)[0] == 0);
  CHECK(bundle.tolerance == 0.0005F);
}

TEST_CASE("a program for lone images is read with the number of threads that it is for") {
  const TestBundle files;
  CHECK_FALSE(read_bundle(files.path()).lone);
  const auto with = [&](const std::string& lone) {
    std::string text = files.manifest();
    replace(text, R"("golden":)", R"("lone":)" + lone + R"(,"golden":)");
    files.save(text);
  };
  with(R"({"file":"model-b8.pt2","threads":4,"milliseconds":2.5})");
  const auto lone = read_bundle(files.path()).lone;
  REQUIRE(lone);
  CHECK(lone->path == files / "model-b8.pt2");
  CHECK(lone->threads == 4);
  for (const auto* wrong : {R"({"file":"model-b8.pt2","threads":1})", R"({"file":"other.pt2","threads":2})",
                            R"({"file":"model-b8.pt2"})", "7"}) {
    CAPTURE(wrong);
    with(wrong);
    CHECK(test::code_of([&] { return read_bundle(files.path()); }) == Errc::invalid_argument);
    CHECK(test::message_of([&] { return read_bundle(files.path()); }).find("lone") != std::string::npos);
  }
}

TEST_CASE("a directory without model.json is not found, and the message says how to make one") {
  const test::TempDir empty;
  CHECK(test::code_of([&] { return read_bundle(empty.path()); }) == Errc::not_found);
  CHECK(test::code_of([&] { return read_bundle(empty / "nothing"); }) == Errc::not_found);
  CHECK(test::message_of([&] { return read_bundle(empty.path()); }).find("driftd model export") != std::string::npos);
}

TEST_CASE("a changed, cut, grown or missing file makes the bundle corrupt, and the message names it") {
  const TestBundle files;
  const std::string name = GENERATE("model.pt", "model-b8.pt2", "in.u8", "out.f32");
  const auto change = GENERATE(0, 1, 2, 3);
  CAPTURE(name, change);
  std::string bytes = read_text(files / name);
  if (change == 0) bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  if (change == 1) bytes.pop_back();
  if (change == 2) bytes += '\0';
  if (change == 3)
    fs::remove(files / name);
  else
    write_file_atomically(files / name, bytes);
  CHECK(test::code_of([&] { return read_bundle(files.path()); }) == Errc::corrupt);
  CHECK(test::message_of([&] { return read_bundle(files.path()); }).find(name) != std::string::npos);
}

TEST_CASE("a golden file of another size or with a value that is not finite is corrupt") {
  const TestBundle files;
  const auto values = GENERATE(std::vector<float>{1, 0, 1}, std::vector<float>{1, 0, 1, 0, 1, NAN});
  write_floats(files / "out.f32", values);
  files.save(files.manifest());  // with the new hash
  CHECK(test::code_of([&] { return read_bundle(files.path()); }) == Errc::corrupt);
}

TEST_CASE("a manifest that is not JSON is corrupt") {
  const TestBundle files;
  const std::string text = GENERATE("", "{", "model", "{}}");
  files.save(text);
  CHECK(test::code_of([&] { return read_bundle(files.path()); }) == Errc::corrupt);
}

TEST_CASE("a manifest that says something impossible is an invalid argument, and the message names the place") {
  const TestBundle files;
  const auto [from, to, place] = GENERATE(table<std::string, std::string, std::string>({
      {R"("format":2)", R"("format":3)", "newer driftd"},
      {R"("format":2)", R"("format":1)", "export the model again"},
      {R"("dimension":3)", R"("dimension":4)", "pools"},
      {R"("dimension":3)", R"("dimension":-3)", "dimension"},
      {R"("dimension":3)", R"("dimension":3.5)", "dimension"},
      {R"("dimension":3)", R"("dimension":1e999)", "dimension"},
      {R"("name":"tiny",)", "", "name"},
      {R"("name":"tiny")", R"("name":7)", "name"},
      {R"("pools":[)", R"("pools":7,"unused":[)", "pools"},
      {R"("mode":"short_side")", R"("mode":"zoom")", "preprocess.mode"},
      {R"("short_side":4)", R"("short_side":1)", "preprocess.short_side"},
      {R"("height":2)", R"("height":0)", "preprocess.height"},
      {R"("width":1)", R"("width":100000)", "preprocess.width"},
      {R"("precision":"fp32")", R"("precision":"fp8")", "precision"},
      {R"("batch":8)", R"("batch":0)", "weights[1].batch"},
      {R"("batch":0)", R"("batch":1)", "weights[0].batch"},
      {R"("file":"model.pt")", R"("file":"other.pt")", "weights[0].file"},
      {R"("file":"model.pt")", R"("file":"../model.pt")", "weights[0].file"},
      {R"("model.pt":{)", R"("../model.pt":{)", "files"},
      {R"("model.pt":{)", R"("":{)", "files"},
      {R"("milliseconds":41.5)", R"("milliseconds":0)", "weights[1].milliseconds"},
      {R"("milliseconds_together":22)", R"("milliseconds_together":-1)", "weights[1].milliseconds_together"},
      {R"("count":2)", R"("count":1000000)", "golden.count"},
      {R"("tolerance":0.0005)", R"("tolerance":0)", "golden.tolerance"},
  }));
  std::string text = files.manifest();
  replace(text, from, to);
  files.save(text);
  CAPTURE(from, to);
  CHECK(test::code_of([&] { return read_bundle(files.path()); }) == Errc::invalid_argument);
  CHECK(test::message_of([&] { return read_bundle(files.path()); }).find(place) != std::string::npos);
}

TEST_CASE("a listed name that leads to no plain file is corrupt, not a wait for ever") {
  const TestBundle files;
  const std::string manifest = files.manifest();
  fs::remove(files / "model.pt");
  REQUIRE(::mkfifo((files / "model.pt").c_str(), 0600) == 0);
  CHECK(test::code_of([&] { return read_bundle(files.path()); }) == Errc::corrupt);
}
