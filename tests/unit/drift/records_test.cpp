// Records that older versions wrote: bytes of the formats as they were, which every later version must read.
#include <filesystem>

#include "core/file.hpp"
#include "drift/alert_record.hpp"
#include "drift/stream_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

std::vector<std::byte> golden(const std::string& name) {
  const auto bytes = read_file(std::filesystem::path{DRIFTD_GOLDEN_DIRECTORY} / name);
  const auto view = std::as_bytes(std::span{bytes});
  return {view.begin(), view.end()};
}

}  // namespace

TEST_CASE("streams of versions 2 and 3 are read: window, rules, bets and evidence, without a curve") {
  const auto version = GENERATE(2, 3);
  CAPTURE(version);
  const auto bytes = golden("stream-" + std::to_string(version) + ".bin");
  const auto stream = decode_stream(bytes);
  CHECK(stream.name == "line-1");
  CHECK(stream.reference == "default@4");
  CHECK(stream.last_ms == 1'700'000'090'000);
  CHECK(stream.window.flags == std::vector<bool>{true, false, true});
  CHECK(stream.window.total == 30);
  CHECK(stream.window.total_flagged == 12);
  REQUIRE(stream.time_window.buckets.size() == 2);
  CHECK(stream.time_window.buckets[1].size == 3);
  REQUIRE(stream.rules.size() == 2);
  const auto& rate = stream.rules[0];
  CHECK(rate.name == "ood-rate");
  CHECK(rate.watch.machine.phase == AlertMachine::Phase::pending);
  CHECK(rate.watch.machine.held == 4);
  CHECK(rate.curve.empty());
  const auto& drift = stream.rules[1];
  CHECK(drift.name == "e-detector");
  CHECK(drift.watch.alert_id == "a");
  REQUIRE(drift.detector.channels.size() == 1);
  const auto& channel = drift.detector.channels[0];
  CHECK(channel.name == "width");
  CHECK(channel.both_ends);
  CHECK(channel.ranks.state().edges == std::vector<float>{28, 29});
  CHECK(channel.ranks.state().places == std::vector<std::uint32_t>{4, 300, 1});
  CHECK(channel.ranks.state().learned == std::vector<std::uint32_t>{0, 200, 7});
  CHECK(channel.ranks.state().waiting == std::vector<std::uint32_t>{1, 0, 0});
  CHECK(channel.lower[1].wealth == 3.5);
  CHECK(channel.lower[1].since.image == 8);
  CHECK(channel.upper[1].wealth == 1);
  CHECK(channel.recent_rank == 0.25);
  CHECK(channel.images == 207);
  REQUIRE(stream.candidates.size() == 1);
  CHECK(stream.candidates[0].neighbours.at(0).uri == "bag/17.png");

  const auto again = decode_stream(encode(stream));  // as the present version writes it
  CHECK(encode(again) == encode(stream));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(test::code_of([&] { return decode_stream(std::span{bytes}.first(size)); }) == Errc::corrupt);
  }
}

TEST_CASE("an alert of version 2 is read, without a curve") {
  const auto bytes = golden("alert-2.bin");
  const auto alert = decode_alert(bytes);
  CHECK(alert.id == "a");
  CHECK(alert.rule == "e-detector");
  CHECK(alert.state == AlertState::firing);
  CHECK(alert.started.image == 8);
  CHECK(alert.threshold == 40);
  CHECK(alert.acknowledged_ms == 7);
  CHECK(alert.evidence.at(0).request_id == "r29");
  REQUIRE(alert.moved.size() == 1);
  CHECK(alert.moved[0].name == "width");
  CHECK_FALSE(alert.moved[0].upper);
  CHECK(alert.moved[0].share == 0.75);
  CHECK(alert.curve.empty());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(test::code_of([&] { return decode_alert(std::span{bytes}.first(size)); }) == Errc::corrupt);
  }
}
