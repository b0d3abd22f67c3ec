#include "api/bulk_embed.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "api/pipeline.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/thread.hpp"

namespace driftd::api {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 256ULL << 20;  // of one image file
constexpr std::size_t kAhead = 2 * kEmbedChunk;         // images that are begun and not handed on, at most
constexpr std::size_t kReadAhead = 16;                  // files that the system is asked for before they are opened

struct Item {
  Embedded result;
  std::optional<embed::Image> image;  // until it is embedded; none where the file holds none
};

std::string status_of(Errc code) {
  switch (code) {
    case Errc::unsupported_media:
      return "unsupported";
    case Errc::undecodable:
      return "undecodable";
    case Errc::too_large:
      return "too_large";
    case Errc::invalid_argument:
    case Errc::not_found:
    case Errc::conflict:
    case Errc::overloaded:
    case Errc::deadline:
    case Errc::no_space:
    case Errc::corrupt:
    case Errc::internal:
      return "unreadable";
  }
  return "unreadable";
}

Item prepare_file(const ImageSource& source, const embed::Preprocess& spec) {
  Item item;
  item.result.source = &source;
  try {
    auto prepared = prepare(read_file(source.path, kMaxFileBytes), spec);
    item.result.status = "ok";
    item.result.properties = prepared.properties;
    item.image = std::move(prepared.image);
  } catch (const Error& error) {
    item.result.status = status_of(error.code());
    item.result.reason = error.what();
  }
  return item;
}

// A team with one thread for each core does all the work, so that no thread waits for a core: whoever is free embeds a
// batch that is complete, or else prepares the next image. The caller's thread hands the results on, in order.
class Team {
 public:
  Team(std::span<const ImageSource> sources, const embed::Bundle& bundle, embed::Embedder& embedder)
      : sources_{sources},
        bundle_{bundle},
        embedder_{embedder},
        batch_size_{std::clamp<std::size_t>(embedder.preferred_batch(), 1, kEmbedChunk)},
        items_(std::min(kAhead, sources.size())) {
    const NewThreadsNamed named{"embed"};
    for (unsigned t = 0; t < std::max(1U, std::thread::hardware_concurrency()); ++t)
      threads_.emplace_back([this] { work(); });
  }
  ~Team() {
    stop({});
    for (auto& thread : threads_) thread.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // The results of the images from `first` on that were embedded together. Throws what a thread threw.
  std::vector<Item> wait_for(std::size_t first) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return stopping_ || batches_[first].embedded; });
    if (failure_) std::rethrow_exception(failure_);
    std::vector<Item> items;
    for (handed_on_ = first; handed_on_ < end_of(first); ++handed_on_) items.push_back(std::move(item(handed_on_)));
    batches_.erase(first);
    changed_.notify_all();
    return items;
  }

 private:
  struct Batch {
    std::size_t prepared = 0;
    bool embedded = false;
  };

  // Batches are counted anew in each block, so that a run that is resumed at a block makes the same ones.
  [[nodiscard]] std::size_t begin_of(std::size_t image) const { return image - image % kEmbedChunk % batch_size_; }
  [[nodiscard]] std::size_t end_of(std::size_t first) const {
    return std::min({first + batch_size_, (first / kEmbedChunk + 1) * kEmbedChunk, sources_.size()});
  }
  [[nodiscard]] Item& item(std::size_t image) { return items_[image % items_.size()]; }
  [[nodiscard]] bool may_prepare() const { return next_ < std::min(handed_on_ + kAhead, sources_.size()); }

  void work() try {
    std::unique_lock lock{mutex_};
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !complete_.empty() || may_prepare(); });
      if (stopping_) return;
      if (!complete_.empty()) {
        const std::size_t first = complete_.front();
        complete_.pop_front();
        lock.unlock();
        embed(first, end_of(first));
        lock.lock();
        batches_[first].embedded = true;
      } else {
        const std::size_t image = next_++;
        lock.unlock();
        if (image + kReadAhead < sources_.size()) read_ahead(sources_[image + kReadAhead].path);
        item(image) = prepare_file(sources_[image], bundle_.preprocess);
        lock.lock();
        const std::size_t first = begin_of(image);
        if (++batches_[first].prepared < end_of(first) - first) continue;
        complete_.push_back(first);
      }
      changed_.notify_all();
    }
  } catch (...) {
    stop(std::current_exception());
  }

  void stop(std::exception_ptr failure) {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    if (!failure_) failure_ = std::move(failure);
    changed_.notify_all();
  }

  void embed(std::size_t first, std::size_t end) {
    std::vector<embed::Image> images;
    std::vector<Item*> good;
    for (std::size_t i = first; i < end; ++i) {
      if (!item(i).image) continue;
      images.push_back(*std::exchange(item(i).image, std::nullopt));
      good.push_back(&item(i));
    }
    if (good.empty()) return;
    const auto vectors = embedder_.embed_alone(images);
    for (std::size_t i = 0; i < good.size(); ++i)
      good[i]->result.vector.assign(vectors.row(i).begin(), vectors.row(i).end());
  }

  // Constant after construction
  const std::span<const ImageSource> sources_;
  const embed::Bundle& bundle_;
  embed::Embedder& embedder_;
  const std::size_t batch_size_;

  // An item belongs to the thread that prepares it, then to the one that embeds its batch, then to the caller
  std::vector<Item> items_;

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::map<std::size_t, Batch> batches_;  // that are begun and not handed on, by their first image
  std::deque<std::size_t> complete_;      // the first images of batches that wait to be embedded
  std::size_t next_ = 0;                  // to be prepared
  std::size_t handed_on_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;

  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace

void embed_all(std::span<const ImageSource> sources, const embed::Bundle& bundle, embed::Embedder& embedder,
               const EmbeddedSink& sink) {
  if (sources.empty()) return;
  Team team{sources, bundle, embedder};
  for (std::size_t done = 0; done < sources.size();) {
    for (auto& item : team.wait_for(done)) {
      sink(std::move(item.result));
      ++done;
    }
  }
}

}  // namespace driftd::api
