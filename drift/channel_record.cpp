#include "drift/channel_record.hpp"

#include <limits>
#include <span>
#include <string>
#include <utility>

#include "drift/moment_record.hpp"

namespace driftd::drift {
namespace {

void put(Writer& out, const EDetector::Bets& bets) {
  for (const auto& bet : bets) {
    out.put(bet.wealth);
    put(out, bet.since);
  }
}

EDetector::Bets get_bets(Reader& in) {
  EDetector::Bets bets;
  for (auto& bet : bets) {
    bet.wealth = in.finite();
    in.require(bet.wealth >= 0, "a detector's wealth is negative");
    bet.since = get_moment(in);
  }
  return bets;
}

// Counts are small but for a few: seven bits a byte, the lowest first (LEB128).
void put_counts(Writer& out, const std::vector<std::uint32_t>& counts) {
  for (auto count : counts) {
    for (; count >= 0x80; count >>= 7) out.put(static_cast<std::uint8_t>(count | 0x80));
    out.put(static_cast<std::uint8_t>(count));
  }
}

// Versions 1 and 2 wrote four bytes a count.
void get_counts(Reader& in, std::vector<std::uint32_t>& counts, std::uint8_t version) {
  for (auto& count : counts) {
    if (version <= 2) {
      count = in.get<std::uint32_t>();
      continue;
    }
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = in.get<std::uint8_t>();
      in.require(shift < 35, "a count has too many digits");
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) break;
    }
    in.require(value <= std::numeric_limits<std::uint32_t>::max(), "a count is too large");
    count = static_cast<std::uint32_t>(value);
  }
}

EDetector::Channel get_channel(Reader& in, std::uint8_t version) {
  auto group = in.text();
  auto name = in.text();
  const bool both_ends = in.flag();
  RankHistogram::State ranks;
  ranks.edges = in.floats();
  ranks.places.resize(ranks.edges.size() + 1);
  ranks.learned.resize(ranks.edges.size() + 1);
  ranks.waiting.resize(ranks.edges.size() + 1);
  get_counts(in, ranks.places, version);
  get_counts(in, ranks.learned, version);
  get_counts(in, ranks.waiting, version);
  in.require(RankHistogram::sound(ranks), "a detector's ranks contradict");
  EDetector::Channel channel{std::move(group), std::move(name), both_ends, RankHistogram{std::move(ranks)}};
  channel.upper = get_bets(in);
  channel.lower = get_bets(in);
  channel.recent_rank = in.finite();
  channel.images = in.get<std::uint64_t>();
  return channel;
}

}  // namespace

void put(Writer& out, const std::vector<EDetector::Channel>& channels) {
  out.put(static_cast<std::uint64_t>(channels.size()));
  for (const auto& channel : channels) {
    out.put(channel.group);
    out.put(channel.name);
    out.put(channel.both_ends);
    out.put(std::span{channel.ranks.state().edges});
    put_counts(out, channel.ranks.state().places);
    put_counts(out, channel.ranks.state().learned);
    put_counts(out, channel.ranks.state().waiting);
    put(out, channel.upper);
    put(out, channel.lower);
    out.put(channel.recent_rank);
    out.put(channel.images);
  }
}

std::vector<EDetector::Channel> get_channels(Reader& in, std::uint8_t version) {
  std::vector<EDetector::Channel> channels;
  if (version == 1) {
    (void)get_bets(in);
    return channels;
  }
  for (auto left = in.count(1); left > 0; --left) channels.push_back(get_channel(in, version));
  return channels;
}

}  // namespace driftd::drift
