#include "api/bulk_embed.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include "api/pipeline.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::api {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 256ULL << 20;  // of one image file

struct Item {
  Embedded result;
  std::vector<float> tensor;
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
    item.tensor = std::move(prepared.tensor);
  } catch (const Error& error) {
    item.result.status = status_of(error.code());
    item.result.reason = error.what();
  }
  return item;
}

std::vector<Item> prepare_chunk(std::span<const ImageSource> sources, const embed::Preprocess& spec) {
  std::vector<Item> items(sources.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (auto i = next++; i < sources.size(); i = next++) items[i] = prepare_file(sources[i], spec);
  };
  std::vector<std::future<void>> helpers;
  for (unsigned t = 1; t < std::max(1U, std::thread::hardware_concurrency()); ++t)
    helpers.push_back(std::async(std::launch::async, work));
  work();
  for (auto& helper : helpers) helper.get();
  return items;
}

void embed_chunk(std::vector<Item>& items, const embed::Bundle& bundle, embed::Embedder& embedder) {
  Matrix batch{0, bundle.preprocess.tensor_size()};
  std::vector<Item*> good;
  for (auto& item : items) {
    if (item.tensor.empty()) continue;
    batch.data.insert(batch.data.end(), item.tensor.begin(), item.tensor.end());
    batch.rows += 1;
    good.push_back(&item);
  }
  if (good.empty()) return;
  const auto vectors = embedder.embed(batch);
  for (std::size_t i = 0; i < good.size(); ++i)
    good[i]->result.vector.assign(vectors.row(i).begin(), vectors.row(i).end());
}

}  // namespace

void embed_all(std::span<const ImageSource> sources, const embed::Bundle& bundle, embed::Embedder& embedder,
               const EmbeddedSink& sink) {
  const auto chunk_at = [&](std::size_t first) {
    const auto part = sources.subspan(first, std::min(kEmbedChunk, sources.size() - first));
    return std::async(std::launch::async, [part, &bundle] { return prepare_chunk(part, bundle.preprocess); });
  };
  if (sources.empty()) return;
  auto ahead = chunk_at(0);
  for (std::size_t first = 0; first < sources.size(); first += kEmbedChunk) {
    auto items = ahead.get();
    if (first + kEmbedChunk < sources.size()) ahead = chunk_at(first + kEmbedChunk);
    embed_chunk(items, bundle, embedder);
    for (auto& item : items) sink(std::move(item.result));
  }
}

}  // namespace driftd::api
