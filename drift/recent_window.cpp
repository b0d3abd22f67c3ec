#include "drift/recent_window.hpp"

#include <algorithm>
#include <utility>

namespace driftd::drift {
namespace {

std::size_t size_of(const RecentWindow::Image& image) {
  return sizeof(float) * (image.vector->size() + image.properties.size()) + image.reference.size() +
         image.label.size() + image.request_id.size() + image.nearest_label.size() + sizeof image;
}

}  // namespace

void RecentWindow::drop_oldest(State& state, std::deque<Image>& images) {
  state.bytes -= size_of(images.front());
  images.pop_front();
}

void RecentWindow::push(std::string_view stream, Image image) {
  if (window_ == 0) return;
  const auto size = size_of(image);
  if (size > max_bytes_) return;
  state_.with([&](State& state) {
    auto found = state.streams.find(stream);
    if (found == state.streams.end()) found = state.streams.emplace(stream, std::deque<Image>{}).first;
    if (found->second.size() >= window_) drop_oldest(state, found->second);
    found->second.push_back(std::move(image));
    state.bytes += size;
    while (state.bytes > max_bytes_) {
      const auto silent =
          std::ranges::min_element(state.streams, {}, [](const auto& entry) { return entry.second.back().at_ms; });
      drop_oldest(state, silent->second);
      if (silent->second.empty()) state.streams.erase(silent);
    }
  });
}

std::vector<RecentWindow::Image> RecentWindow::images(std::string_view stream, std::string_view reference) const {
  return state_.with([&](const State& state) {
    std::vector<Image> all;
    const auto found = state.streams.find(stream);
    if (found == state.streams.end()) return all;
    std::ranges::copy_if(found->second, std::back_inserter(all),
                         [&](const Image& image) { return image.reference == reference; });
    return all;
  });
}

std::size_t RecentWindow::count_since(std::string_view stream, std::string_view reference, std::uint64_t first) const {
  return state_.with([&](const State& state) -> std::size_t {
    const auto found = state.streams.find(stream);
    if (found == state.streams.end()) return 0;
    const auto counts = [&](const Image& image) { return image.image >= first && image.reference == reference; };
    return static_cast<std::size_t>(std::ranges::count_if(found->second, counts));
  });
}

std::vector<std::string> RecentWindow::streams(std::string_view reference) const {
  std::vector<std::pair<std::size_t, std::string>> counted;
  state_.with([&](const State& state) {
    for (const auto& [name, images] : state.streams) {
      const auto count = std::ranges::count(images, reference, &Image::reference);
      if (count > 0) counted.emplace_back(static_cast<std::size_t>(count), name);
    }
  });
  std::ranges::sort(counted, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> names;
  for (auto& [count, name] : counted) names.push_back(std::move(name));
  return names;
}

std::size_t RecentWindow::bytes() const {
  return state_.with([](const State& state) { return state.bytes; });
}

}  // namespace driftd::drift
