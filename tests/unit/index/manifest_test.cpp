#include "index/manifest.hpp"

#include "core/error.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::index;

namespace {
template <class F>
Errc code_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return Errc::internal;
}
}  // namespace

TEST_CASE("the manifest survives its own format") {
  const Manifest m{.name = "shoes",
                   .version = 7,
                   .created = "2026-01-02T03:04:05Z",
                   .model_name = "net",
                   .model_hash = "ab",
                   .model_directory = "models/net",
                   .kind = Kind::ivfsq8,
                   .metric = Metric::cosine,
                   .search = {80, 10, 0.995, 0.004, 1000},
                   .dimension = 12,
                   .count = 34,
                   .skipped = 5};
  const auto back = parse_manifest(to_json(m));
  CHECK(to_json(back) == to_json(m));
  CHECK(back.id() == "shoes@7");
  CHECK(back.kind == Kind::ivfsq8);
  CHECK(back.metric == Metric::cosine);
  CHECK(back.search.nprobe == 10);
  CHECK(back.search.recall == 0.995);
}

TEST_CASE("a format number that an older driftd refuses is used only where it would misread") {
  CHECK(to_json(Manifest{}).find("\"format\":1,") != std::string::npos);
  CHECK(to_json(Manifest{.metric = Metric::cosine}).find("\"format\":2,") != std::string::npos);
}

TEST_CASE("a newer format is refused with advice, damage as corrupt") {
  auto text = to_json(Manifest{});
  CHECK(code_of([&] { (void)parse_manifest("[]"); }) == Errc::corrupt);
  CHECK(code_of([&] { (void)parse_manifest(text.substr(1)); }) == Errc::corrupt);
  CHECK(code_of([&] { (void)parse_manifest(R"({"format":1})"); }) == Errc::corrupt);
  auto strange = text;
  strange.replace(strange.find("\"flat\""), 6, "\"hnsw\"");
  CHECK(code_of([&] { (void)parse_manifest(strange); }) == Errc::invalid_argument);
  text.replace(text.find("\"format\":1"), 10, "\"format\":9");
  CHECK(code_of([&] { (void)parse_manifest(text); }) == Errc::invalid_argument);
}

TEST_CASE("items survive any characters in their texts") {
  const std::vector<Item> items{{"1", "a \"quoted\"\nlabel", "ü/\\x.png", R"({"a":"\n"})"}, {"2", "", "", ""}};
  Items kept;
  for (const auto& item : items) REQUIRE(kept.add(view_of(item)));
  const auto back = parse_items(to_lines(kept));
  REQUIRE(back.size() == 2);
  CHECK((copy_of(back.at(0)) == items[0] && copy_of(back.at(1)) == items[1]));
  CHECK(code_of([] { (void)parse_items("{\"id\":1}\n"); }) == Errc::corrupt);
  const std::string line = R"({"id":"1","label":"","uri":""})";
  CHECK(code_of([&] { (void)parse_items(line + "\n" + line + "\n"); }) == Errc::corrupt);
}

TEST_CASE("checksum lines must be whole and name plain files") {
  const std::string hash(64, 'a');
  CHECK(parse_sums(hash + "  x.bin\n").at("x.bin") == hash);
  CHECK(code_of([&] { (void)parse_sums(hash + "  ../x\n"); }) == Errc::corrupt);
  CHECK(code_of([&] { (void)parse_sums("zz  x\n"); }) == Errc::corrupt);
}
