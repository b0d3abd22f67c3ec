#include "index/draft.hpp"

#include <utility>

namespace driftd::index {

std::optional<std::int64_t> Draft::find(const std::string& id) const {
  if (const auto changed = changed_.find(id); changed != changed_.end()) {
    return changed->second < 0 ? std::nullopt : std::optional{changed->second};
  }
  const auto row = base_->find(id);
  return row ? std::optional{static_cast<std::int64_t>(*row)} : std::nullopt;
}

void Draft::apply(Change change) {
  ++revision_;
  const auto id = change.value.item.id;
  if (const auto row = find(id)) kill(*row);
  if (change.removed) {
    changed_[id] = -1;
    return;
  }
  changed_[id] = static_cast<std::int64_t>(base_->size() + tail_.size());
  tail_.append(std::move(change.value));
  tail_alive_.push_back(true);
}

void Draft::kill(std::int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  if (at >= base_->size()) {
    tail_alive_[at - base_->size()] = false;
    ++dead_in_tail_;
    return;
  }
  if (!base_alive_) {
    base_alive_ = std::make_shared<RowMask>(base_->size(), true);
  } else if (shared_) {
    base_alive_ = std::make_shared<RowMask>(*base_alive_);
  }
  shared_ = false;
  base_alive_->set(at, false);
}

std::shared_ptr<const RowMask> Draft::tail_mask() const {
  if (dead_in_tail_ == 0) return nullptr;
  auto mask = std::make_shared<RowMask>(tail_.size());
  for (std::size_t row = 0; row < tail_.size(); ++row) {
    if (tail_alive_[row]) mask->set(row);
  }
  return mask;
}

std::shared_ptr<const Snapshot> Draft::snapshot(std::int64_t version) {
  shared_ = true;
  return std::make_shared<const Snapshot>(version, revision_, base_, tail_.view(), base_alive_, tail_mask());
}

}  // namespace driftd::index
