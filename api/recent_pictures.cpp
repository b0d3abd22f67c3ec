#include "api/recent_pictures.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace driftd::api {
namespace {

std::size_t size_of(const RecentPictures::Image& image) {
  return image.request->body.size() + sizeof image;
}

}  // namespace

void RecentPictures::drop(State& state, Stream& stream, std::deque<Image>::iterator image) {
  const auto size = size_of(*image);
  stream.bytes -= size;
  state.bytes -= size;
  stream.images.erase(image);
}

void RecentPictures::push(std::string_view name, Image image) {
  const auto size = size_of(image);
  if (size > max_bytes_) return;
  state_.with([&](State& state) {
    auto found = state.streams.find(name);
    if (found == state.streams.end()) found = state.streams.emplace(name, Stream{}).first;
    auto& stream = found->second;
    const auto newest = image.image;
    while (!stream.images.empty() &&
           (stream.images.front().image + window_ <= newest || stream.images.front().image > newest)) {
      drop(state, stream, stream.images.begin());  // out of the window, or of a stream that began again
    }
    stream.images.push_back(std::move(image));
    stream.bytes += size;
    state.bytes += size;
    while (state.bytes > max_bytes_) {
      const auto most =
          std::ranges::max_element(state.streams, {}, [](const auto& entry) { return entry.second.bytes; });
      auto& images = most->second.images;
      drop(state, most->second,
           std::ranges::max_element(images, {}, [](const auto& i) { return std::tuple{i.p_value, -i.score}; }));
      if (images.empty()) state.streams.erase(most);
    }
  });
}

std::shared_ptr<const Request> RecentPictures::find(std::string_view stream, std::string_view request_id) const {
  return state_.with([&](const State& state) -> std::shared_ptr<const Request> {
    const auto found = state.streams.find(stream);
    if (found == state.streams.end()) return nullptr;
    const auto image = std::ranges::find(found->second.images, request_id, &Image::request_id);
    return image == found->second.images.end() ? nullptr : image->request;
  });
}

std::size_t RecentPictures::bytes() const {
  return state_.with([](const State& state) { return state.bytes; });
}

}  // namespace driftd::api
