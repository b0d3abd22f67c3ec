#include "api/new_normal.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace driftd::api {

using drift::ReviewItem;

index::NewItem new_item(const ReviewItem& item, std::vector<float> vector) {
  return {{"review-" + item.id, item.label, "review:" + item.id, {}}, std::move(vector), {}};
}

LiveReference& reference_for(const References& references, const std::string& model,
                             const std::vector<ReviewItem>& items) {
  const auto name = name_of_reference(items.front().reference);
  for (const auto& item : items) {
    if (item.model != model) {
      throw Error{Errc::conflict, "image " + item.id + " was embedded by another model, " + item.model +
                                      "; dismiss it, or write the image itself to the reference"};
    }
    if (name_of_reference(item.reference) != name) {
      throw Error{Errc::conflict, "these images were scored against several references; accept those of one at a time"};
    }
  }
  return writable_reference(references, name);
}

NewNormal accept_as_normal(ReviewDesk& desk, const std::vector<ReviewItem>& items, const std::string& who,
                           const std::string& note, std::int64_t now_ms) {
  if (items.empty()) {
    throw Error{Errc::conflict,
                "no image of this stream is labelled and not yet accepted; label some first: PATCH /v1/review/{id}"};
  }
  auto& live = reference_for(desk.references, desk.model, items);
  NewNormal result{.accepted = items.size()};
  result.rollback_version = live.take_snapshot(note);
  desk.review.accept(items, who, now_ms, [&](const std::vector<ReviewService::Labelled>& labelled) {
    std::vector<index::NewItem> added;
    for (const auto& [item, vector] : labelled) added.push_back(new_item(item, vector));
    result.reference = live.collection().name() + "@" + std::to_string(live.upsert(std::move(added)).version);
  });
  try {
    live.compact();
    result.recalibrating = true;
  } catch (const Error& error) {
    if (error.code() != Errc::conflict) throw;
    result.recalibrating = live.compaction().running;  // one runs already; its successor takes these images in
  }
  return result;
}

}  // namespace driftd::api
