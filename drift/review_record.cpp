#include "drift/review_record.hpp"

#include "drift/bytes.hpp"
#include "drift/near_image_record.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint32_t kVersion = 1;

// 0: not said, 1: no, 2: yes
std::uint8_t code(std::optional<bool> value) {
  return !value ? 0 : *value ? 2 : 1;
}

}  // namespace

std::vector<std::byte> encode(const ReviewItem& item) {
  Writer out;
  out.put(kVersion);
  out.put(item.id);
  out.put(static_cast<std::uint8_t>(item.source));
  out.put(static_cast<std::uint8_t>(item.state));
  out.put(item.stream);
  out.put(item.round);
  out.put(item.reference);
  out.put(item.model);
  out.put(item.request_id);
  out.put(item.score);
  out.put(item.p_value);
  out.put(item.ood);
  out.put(item.distance);
  out.put(item.novelty);
  out.put(item.predicted);
  put(out, item.neighbours);
  out.put(item.created_ms);
  out.put(static_cast<std::int32_t>(item.width));
  out.put(static_cast<std::int32_t>(item.height));
  out.put(item.label);
  out.put(code(item.truly_ood));
  out.put(item.answered_ms);
  out.put(item.who);
  out.put(item.note);
  return out.take();
}

ReviewItem decode_review(std::span<const std::byte> bytes) {
  Reader in{bytes, "a stored review item"};
  in.require(in.get<std::uint32_t>() == kVersion, "its version is unknown");
  ReviewItem item;
  item.id = in.text();
  const auto source = in.get<std::uint8_t>();
  const auto state = in.get<std::uint8_t>();
  in.require(source <= 1 && state <= static_cast<std::uint8_t>(ReviewState::accepted), "its state is unknown");
  item.source = static_cast<ReviewSource>(source);
  item.state = static_cast<ReviewState>(state);
  item.stream = in.text();
  item.round = in.get<std::int64_t>();
  item.reference = in.text();
  item.model = in.text();
  item.request_id = in.text();
  item.score = in.get<double>();
  item.p_value = in.get<double>();
  item.ood = in.flag();
  item.distance = in.get<double>();
  item.novelty = in.get<double>();
  item.predicted = in.text();
  item.neighbours = get_near_images(in);
  item.created_ms = in.get<std::int64_t>();
  item.width = in.get<std::int32_t>();
  item.height = in.get<std::int32_t>();
  item.label = in.text();
  const auto truly = in.get<std::uint8_t>();
  if (truly > 0) item.truly_ood = truly == 2;
  item.answered_ms = in.get<std::int64_t>();
  item.who = in.text();
  item.note = in.text();
  in.require_end();
  return item;
}

}  // namespace driftd::drift
