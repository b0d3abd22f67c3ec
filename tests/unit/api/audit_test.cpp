#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <random>

#include "api/audit.hpp"
#include "api/audit_rows.hpp"
#include "api/bulk_embed.hpp"
#include "api/report_charts.hpp"
#include "api/report_html.hpp"
#include "api/thumbnail.hpp"
#include "core/file.hpp"
#include "embed/decode.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

AuditPlan plan_of(std::uint64_t images, std::uint64_t shard = 1, std::uint64_t shards = 1) {
  AuditPlan plan;
  plan.reference = {"default@1",
                    "ab",
                    "net@sha256:cd",
                    400,
                    {-8, -5, -2, 0, 2, 5, 9},
                    {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7},
                    5,
                    0.6,
                    -8,
                    18,
                    std::vector<std::uint64_t>(kScoreBins, 3)};
  plan.source = {"/images", images, "ef"};
  plan.shard = shard;
  plan.shards = shards;
  plan.started = "2026-01-02T03:04:05.678Z";
  return plan;
}

AuditImage image_of(std::size_t i, std::mt19937& random) {
  AuditImage image;
  image.row.path = "cat/" + std::to_string(i) + ".png";
  image.row.label = i % 3 == 0 ? "a,\"b\"\nc" : "cat";
  if (i % 11 == 5) {
    image.row.status = "undecodable";
    image.row.reason = "cut short";
    return image;
  }
  std::normal_distribution<float> normal;
  image.row.score = 5 * normal(random);
  image.row.p_value = 1.0 / static_cast<double>(1 + random() % 401);
  image.row.ood = image.row.p_value <= 0.05;
  image.row.distance = std::abs(normal(random));
  image.row.neighbours = {{"17", "dog, \"big\"", "train/17.png", 0.25}, {"18", "", "", image.row.distance}};
  image.properties = {0.5F, 0.25F, 0.125F, 0.1F, 28, 29};
  return image;
}

std::vector<AuditImage> images_of(std::size_t n) {
  std::mt19937 random{7};
  std::vector<AuditImage> images;
  for (std::size_t i = 0; i < n; ++i) images.push_back(image_of(i, random));
  return images;
}

std::string csv_of(const std::vector<AuditImage>& images) {
  auto text = audit_header();
  for (const auto& image : images) text += audit_line(image);
  return text;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

// All of a report but its times.
boost::json::object numbers_of(const AuditReport& report) {
  auto object = boost::json::parse(to_json(report)).as_object();
  object.erase("run");
  return object;
}

drift::Report rates(std::uint64_t flagged, std::uint64_t scored, std::uint64_t all) {
  drift::Report report;
  report.images = all;
  report.ood = {scored, flagged, scored == 0 ? 0 : static_cast<double>(flagged) / static_cast<double>(scored),
                drift::wilson(flagged, scored)};
  return report;
}

}  // namespace

TEST_CASE("a row of images.csv reads back exactly, whatever its texts hold") {
  test::TempDir folder;
  const auto written = images_of(40);
  write(folder / "images.csv", csv_of(written));
  std::vector<AuditImage> read;
  const auto end = read_audit_rows(folder / "images.csv",
                                   [&](AuditImage&& image) { return read.push_back(std::move(image)), true; });
  CHECK(end == std::filesystem::file_size(folder / "images.csv"));
  REQUIRE(read.size() == written.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].row.path == written[i].row.path);
    CHECK(read[i].row.label == written[i].row.label);
    CHECK(read[i].row.score == written[i].row.score);
    CHECK(read[i].row.p_value == written[i].row.p_value);
    CHECK(read[i].row.distance == written[i].row.distance);
    CHECK(read[i].row.neighbours.size() == written[i].row.neighbours.size());
    CHECK(audit_line(read[i]) == audit_line(written[i]));
  }
}

TEST_CASE("a file cut at any byte gives its whole rows and where they end") {
  test::TempDir folder;
  const auto images = images_of(4);
  const auto text = csv_of(images);
  std::vector<std::size_t> ends{audit_header().size()};
  for (const auto& image : images) ends.push_back(ends.back() + audit_line(image).size());
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CAPTURE(cut);
    write(folder / "images.csv", text.substr(0, cut));
    std::size_t rows = 0;
    const auto end = read_audit_rows(folder / "images.csv", [&](AuditImage&&) { return ++rows, true; });
    const auto whole = std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin();
    CHECK(rows == static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, whole - 1)));
    CHECK(end == (whole == 0 ? 0 : ends[static_cast<std::size_t>(whole - 1)]));
  }
}

TEST_CASE("damage inside images.csv is refused with its row") {
  test::TempDir folder;
  const auto line = audit_line(images_of(1).front());
  const std::string damaged[] = {"path,other\n", audit_header() + "too,few\n",
                                 audit_header() + line + "x,ok,,l,nan,0.5,true,1,,,0,0,0,0,1,1,[]\n",
                                 audit_header() + "x,ok,,l,1,0.5,maybe,1,,,0,0,0,0,1,1,[]\n",
                                 audit_header() + "x,ok,,l,1,0.5,true,1,,,0,0,0,0,1,1,{\n"};
  for (const auto& text : damaged) {
    CAPTURE(text);
    write(folder / "images.csv", text);
    const auto read = [&] { return read_audit_rows(folder / "images.csv", [](AuditImage&&) { return true; }); };
    CHECK(test::code_of(read) == Errc::corrupt);
    CHECK(test::message_of(read).find("row ") != std::string::npos);
  }
}

TEST_CASE("appending continues after the bytes that are kept, one writer at a time") {
  test::TempDir folder;
  write(folder / "f", "kept torn");
  {
    AuditFile file{folder / "f", 5};
    file.append("new\n");
    CHECK(test::code_of([&] { return AuditFile{folder / "f", 0}, 0; }) == Errc::conflict);
  }
  CHECK(read_text(folder / "f") == "kept new\n");
}

TEST_CASE("shards are whole blocks that cover every image once") {
  for (const std::uint64_t images : {1, 63, 64, 65, 1000}) {
    for (const std::uint64_t shards : {1, 2, 3, 7, 40}) {
      CAPTURE(images, shards);
      std::size_t next = 0;
      for (std::uint64_t shard = 1; shard <= shards; ++shard) {
        const auto range = shard_range(plan_of(images, shard, shards));
        CHECK(range.first == next);
        CHECK((range.first % kEmbedChunk == 0 || range.first == images));
        next = range.last;
      }
      CHECK(next == images);
    }
  }
}

TEST_CASE("a plan reads back, and tells in words how another differs") {
  const auto plan = plan_of(100, 2, 3);
  const auto text = boost::json::serialize(to_json(plan));
  CHECK(boost::json::serialize(to_json(parse_plan(text, "audit.json"))) == text);
  auto other = plan;
  CHECK(difference(plan, other).empty());
  other.alpha = 0.01;
  CHECK(difference(plan, other).find("alpha") != std::string::npos);
  CHECK(test::code_of([] { return parse_plan("{", "audit.json"); }) == Errc::corrupt);
  CHECK(test::code_of([] { return parse_plan("{\"format\":99}", "audit.json"); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return parse_plan("{\"format\":1}", "audit.json"); }) == Errc::corrupt);
}

TEST_CASE("shards merged in any order give the numbers and rows of one run") {
  test::TempDir folder;
  const auto images = images_of(300);
  write(folder / "whole.csv", csv_of(images));
  const auto whole = make_report(plan_of(300), folder / "whole.csv", 20, parse_condition(kDefaultCondition));
  std::vector<std::filesystem::path> parts;
  for (const std::uint64_t shard : {3, 1, 2}) {
    const auto plan = plan_of(300, shard, 3);
    const auto range = shard_range(plan);
    const auto part = folder / std::to_string(shard);
    std::filesystem::create_directory(part);
    write(part / "images.csv", csv_of({images.begin() + range.first, images.begin() + range.last}));
    write(part / "audit.json", boost::json::serialize(to_json(plan)));
    write(part / "report.json", "{}");
    parts.push_back(part);
  }
  const auto merged = merge_audits(parts, {.out = folder / "merged"});
  CHECK(numbers_of(merged) == numbers_of(whole));
  CHECK(read_text(folder / "merged/images.csv") == read_text(folder / "whole.csv"));
  CHECK(boost::json::parse(read_text(folder / "merged/report.json")).at("images") == 300);

  const auto message = [&](std::vector<std::filesystem::path> some) {
    return test::message_of([&] { return merge_audits(some, {.out = folder / "other"}); });
  };
  CHECK(message({parts[0], parts[1]}).find("2/3 is missing") != std::string::npos);
  CHECK(message({parts[0], parts[1], parts[1]}).find("both shard 1") != std::string::npos);
  CHECK(message({parts[0], parts[1], folder / "none"}).find("audit.json") != std::string::npos);
  write(parts[0] / "images.csv", csv_of({}));
  CHECK(message(parts).find("--resume") != std::string::npos);
  std::filesystem::remove(parts[1] / "report.json");
  CHECK(message(parts).find("unfinished") != std::string::npos);
}

TEST_CASE("a condition is read whatever its spaces, and anything else is refused with the names") {
  for (const auto* text : {"ood_rate.lower > 0.10", " ood_rate.lower>0.10 ", "ood_rate.lower >  .1"}) {
    CAPTURE(text);
    const auto condition = parse_condition(text);
    CHECK(condition.name == "ood_rate.lower");
    CHECK(condition.limit == Approx(0.1));
  }
  CHECK(parse_condition("ks <= 1e-1").comparison == Condition::Comparison::less_equal);
  CHECK(parse_condition("never").name.empty());
  for (const auto* text :
       {"", "rate > 1", "ks", "ks >", "ks > x", "ks > 0.1 0.2", "ks == 1", "ks > inf", "ks > nan", "0.1 < ks"}) {
    CAPTURE(text);
    CHECK(test::code_of([&] { return parse_condition(text); }) == Errc::invalid_argument);
    CHECK(test::message_of([&] { return parse_condition(text); }).find("failed_share") != std::string::npos);
  }
}

TEST_CASE("the verdict follows the condition and says why") {
  const auto limit = parse_condition(kDefaultCondition);
  const auto drifted = decide(limit, rates(420, 1000, 1003));
  CHECK(drifted.drift);
  CHECK(drifted.text ==
        "drift: 42.0% of 1000 images out of distribution (95% bounds 39.0% to 45.1%), 3 more could not be scored; "
        "ood_rate.lower is 0.3898, limit > 0.10");
  CHECK_FALSE(decide(limit, rates(10, 100, 100)).drift);  // 10% of few images is not surely above 10%
  CHECK_FALSE(decide(parse_condition("never"), rates(100, 100, 100)).drift);
  CHECK(decide(parse_condition("failed_share >= 0.5"), rates(0, 50, 100)).drift);
  CHECK(decide(parse_condition("ood_rate < 0.2"), rates(10, 100, 100)).drift);
}

TEST_CASE("an audit that scored nothing has no verdict, unless failures were the question") {
  const auto none = decide(parse_condition("ood_rate.upper > 0.10"), rates(0, 0, 5));
  CHECK_FALSE(none.drift);
  CHECK_FALSE(none.sound);
  CHECK(none.text == "no verdict: none of 5 images could be scored");
  CHECK(decide(parse_condition("failed_share > 0.1"), rates(0, 0, 5)).drift);
  CHECK(decide(parse_condition("ood_rate.upper > 0.10"), rates(0, 0, 0)).sound);  // an empty shard is no fault
}

TEST_CASE("the Prometheus text has one family a metric and a sample for each bound and status") {
  test::TempDir folder;
  write(folder / "images.csv", csv_of(images_of(100)));
  const auto text = to_prometheus(make_report(plan_of(100), folder / "images.csv", 0, {}), 1'700'000'000);
  for (const auto* part :
       {"\ndriftd_audit_last_success_timestamp_seconds 1700000000\n", "driftd_audit_ood_ratio{bound=\"upper\"} ",
        "driftd_audit_images{status=\"ok\"} 91\n", "driftd_audit_images{status=\"undecodable\"} 9\n"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("no text from outside becomes markup in the page") {
  test::TempDir folder;
  auto images = images_of(64);
  const std::string evil = "</td><script>alert(1)</script>\"'&{{facts}}\xff";
  for (auto& image : images) {
    image.row.path = evil;
    image.row.label = evil;
    image.row.reason = image.row.status == "ok" ? "" : evil;
    for (auto& n : image.row.neighbours) n.uri = n.label = evil;
  }
  auto plan = plan_of(64);
  plan.source.root = evil;
  plan.reference.id = evil;
  write(folder / "images.csv", csv_of(images));
  const auto page = report_html(make_report(plan, folder / "images.csv", 5, {}), "");
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;{{facts}}?") != std::string::npos);
  CHECK(page.find('\xff') == std::string::npos);
}

TEST_CASE("a page is drawn of any audit, however small or uniform") {
  test::TempDir folder;
  auto failed = images_of(6);
  failed.erase(failed.begin(), failed.begin() + 5);
  auto uniform = images_of(4);
  for (auto& image : uniform) {
    image.row.score = image.row.distance = 0;
    image.row.p_value = 1;
    image.row.ood = false;
  }
  for (const auto& images : {failed, uniform, images_of(1)}) {
    write(folder / "images.csv", csv_of(images));
    const auto page = report_html(make_report(plan_of(images.size()), folder / "images.csv", 20, {}), "");
    for (const auto* bad : {"nan", "inf\"", "{{"}) {
      CAPTURE(bad);
      CHECK(page.find(bad) == std::string::npos);
    }
    CHECK(page.find("</html>") != std::string::npos);
  }
}

TEST_CASE("a thumbnail is a small JPEG of the picture, and the budget bounds them all") {
  embed::Image image{300, 150, std::vector<std::uint8_t>(3 * 300 * 150, 200)};
  test::TempDir folder;
  const auto jpeg = encode_jpeg(image, 90);
  write(folder / "a.jpg", {jpeg.begin(), jpeg.end()});
  const auto decoded = embed::decode(jpeg);
  CHECK(decoded.width == 300);
  CHECK(std::abs(decoded.image.rgb.at(1000) - 200) <= 2);

  Thumbnails thumbnails{2000};
  const auto first = thumbnails.of(folder / "a.jpg");
  CHECK(first.data_uri.starts_with("data:image/jpeg;base64,/9j/"));
  CHECK(first.width == 112);
  CHECK(first.height == 56);
  std::size_t bytes = first.data_uri.size();
  for (int i = 0; i < 20; ++i) bytes += thumbnails.of(folder / "a.jpg").data_uri.size();
  CHECK(bytes <= 2000);
  CHECK(thumbnails.of(folder / "a.jpg").data_uri.empty());
  CHECK(Thumbnails{2000}.of(folder / "gone.jpg").data_uri.empty());
  CHECK(Thumbnails{2000}.of("/dev/zero").data_uri.empty());
}
