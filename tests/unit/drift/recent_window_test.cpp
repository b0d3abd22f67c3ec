#include "drift/recent_window.hpp"

#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

RecentWindow::Image image(float value, std::int64_t at_ms = 0, const std::string& reference = "default") {
  return {std::make_shared<const std::vector<float>>(100, value), reference, at_ms, {}, {}};
}

std::vector<float> values(const RecentWindow& window, const std::string& stream,
                          const std::string& reference = "default") {
  std::vector<float> all;
  for (const auto& one : window.images(stream, reference)) all.push_back(one.vector->front());
  return all;
}

}  // namespace

TEST_CASE("the newest embeddings of each stream are kept, the oldest first") {
  RecentWindow window{3, 1 << 20};
  for (const float value : {1.F, 2.F, 3.F, 4.F}) window.push("a", image(value));
  window.push("b", image(9));
  CHECK(values(window, "a") == std::vector<float>{2, 3, 4});
  CHECK(values(window, "b") == std::vector<float>{9});
  CHECK(values(window, "c").empty());
  CHECK(window.streams("default") == std::vector<std::string>{"a", "b"});
}

TEST_CASE("embeddings scored against another reference are told apart") {
  RecentWindow window{3, 1 << 20};
  window.push("a", image(1));
  window.push("a", image(2, 0, "other"));
  CHECK(values(window, "a") == std::vector<float>{1});
  CHECK(values(window, "a", "other") == std::vector<float>{2});
  CHECK(window.streams("third").empty());
}

TEST_CASE("recent embeddings stay within their bytes: the stream that was silent for longest loses its oldest") {
  RecentWindow window{100, 2500};  // about four of them
  window.push("silent", image(1, 10));
  window.push("silent", image(2, 20));
  for (int i = 0; i < 20; ++i) {
    window.push("busy", image(5, 100 + i));
    CHECK(window.bytes() <= 2500);
  }
  CHECK(values(window, "silent").empty());
  CHECK(values(window, "busy").size() >= 3);
}

TEST_CASE("a window of none, or less than one embedding's bytes, keeps nothing") {
  RecentWindow none{0, 1 << 20};
  none.push("a", image(1));
  CHECK(none.bytes() == 0);
  RecentWindow small{5, 100};
  small.push("a", image(1));
  CHECK(small.bytes() == 0);
}
