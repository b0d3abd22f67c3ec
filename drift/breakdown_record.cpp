#include "drift/breakdown_record.hpp"

#include "drift/bytes.hpp"
#include "drift/moment_record.hpp"
#include "drift/near_image_record.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint8_t kVersion = 1;

void put(Writer& out, const LabelShare& share) {
  out.put(share.label);
  out.put(static_cast<std::uint64_t>(share.images));
  out.put(share.share);
  out.put(share.expected);
}

LabelShare get_label(Reader& in) {
  LabelShare share;
  share.label = in.text();
  share.images = in.get<std::uint64_t>();
  share.share = in.finite();
  share.expected = in.finite();
  return share;
}

void put(Writer& out, const PropertyShift& shift) {
  out.put(shift.name);
  out.put(shift.median);
  out.put(shift.reference);
  out.put(shift.rank);
  out.put(shift.p_value);
}

PropertyShift get_property(Reader& in) {
  PropertyShift shift;
  shift.name = in.text();
  shift.median = in.finite();
  shift.reference = in.finite();
  shift.rank = in.finite();
  shift.p_value = in.finite();
  return shift;
}

void put(Writer& out, const LookAlikeImage& image) {
  out.put(image.request_id);
  out.put(image.image);
}

LookAlikeImage get_example(Reader& in) {
  LookAlikeImage image;
  image.request_id = in.text();
  image.image = in.get<std::uint64_t>();
  return image;
}

void put(Writer& out, const LookAlikes& alike);  // known to put_all()

// A number of things, then each.
template <class T>
void put_all(Writer& out, const std::vector<T>& all) {
  out.put(static_cast<std::uint64_t>(all.size()));
  for (const auto& one : all) put(out, one);
}

template <class T>
std::vector<T> get_all(Reader& in, T (*get)(Reader&)) {
  std::vector<T> all(in.count(sizeof(std::uint64_t)));  // the least that any of them takes
  for (auto& one : all) one = get(in);
  return all;
}

void put(Writer& out, const LookAlikes& alike) {
  out.put(static_cast<std::uint64_t>(alike.images));
  out.put(alike.nearest_label);
  out.put(static_cast<std::uint64_t>(alike.of_label));
  put(out, alike.first);
  put(out, alike.last);
  put_all(out, alike.examples);
  put(out, alike.neighbours);
}

LookAlikes get_group(Reader& in) {
  LookAlikes alike;
  alike.images = in.get<std::uint64_t>();
  alike.nearest_label = in.text();
  alike.of_label = in.get<std::uint64_t>();
  alike.first = get_moment(in);
  alike.last = get_moment(in);
  alike.examples = get_all(in, get_example);
  alike.neighbours = get_near_images(in);
  return alike;
}

}  // namespace

std::vector<std::byte> encode(const Breakdown& breakdown) {
  Writer out;
  out.put(kVersion);
  out.put(breakdown.from);
  put(out, breakdown.until);
  out.put(static_cast<std::uint64_t>(breakdown.images));
  out.put(static_cast<std::uint64_t>(breakdown.strange));
  out.put(breakdown.of_strange);
  put_all(out, breakdown.labels);
  put_all(out, breakdown.properties);
  put_all(out, breakdown.groups);
  return out.take();
}

Breakdown decode_breakdown(std::span<const std::byte> bytes) {
  Reader in{bytes, "a stored breakdown of an alert"};
  in.require(in.get<std::uint8_t>() == kVersion, "its version is unknown");
  Breakdown breakdown;
  breakdown.from = in.get<std::uint64_t>();
  breakdown.until = get_moment(in);
  breakdown.images = in.get<std::uint64_t>();
  breakdown.strange = in.get<std::uint64_t>();
  in.require(breakdown.strange <= breakdown.images, "it counts more strange images than images");
  breakdown.of_strange = in.flag();
  breakdown.labels = get_all(in, get_label);
  breakdown.properties = get_all(in, get_property);
  breakdown.groups = get_all(in, get_group);
  in.require_end();
  return breakdown;
}

}  // namespace driftd::drift
