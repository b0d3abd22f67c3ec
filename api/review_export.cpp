#include "api/review_export.hpp"

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <utility>

#include "api/csv.hpp"
#include "api/time.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;
using drift::ReviewItem;
using drift::ReviewState;

constexpr std::array kFormats{std::pair{std::string_view{"csv"}, ReviewFormat::csv},
                              std::pair{std::string_view{"coco"}, ReviewFormat::coco},
                              std::pair{std::string_view{"labelstudio"}, ReviewFormat::labelstudio}};

std::string picture_of(const ReviewItem& item, const std::string& url) {
  return item.image_bytes == 0 ? "" : url + "/v1/review/" + item.id + "/image";
}

bool is_labelled(const ReviewItem& item) {
  return (item.state == ReviewState::labelled || item.state == ReviewState::accepted) && !item.label.empty();
}

std::string text_of(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string csv(const std::vector<ReviewItem>& items, const std::string& url) {
  std::string out =
      csv_row({"id", "source", "state", "stream", "reference", "request_id", "created", "score", "p_value", "ood",
               "distance", "predicted", "label", "truly_ood", "answered", "who", "note", "image"});
  for (const auto& i : items) {
    const std::string truly = !i.truly_ood ? "" : *i.truly_ood ? "true" : "false";
    out += csv_row({i.id, name_of(i.source), name_of(i.state), inert(i.stream), inert(i.reference), inert(i.request_id),
                    rfc3339(i.created_ms), text_of(i.score), text_of(i.p_value), i.ood ? "true" : "false",
                    text_of(i.distance), inert(i.predicted), inert(i.label), truly,
                    i.answered_ms > 0 ? rfc3339(i.answered_ms) : "", inert(i.who), inert(i.note), picture_of(i, url)});
  }
  return out;
}

// Ids of COCO are numbers: an image's is its order in the queue.
json::object coco(const std::vector<ReviewItem>& items, const std::string& url) {
  std::map<std::string, std::int64_t> categories;
  for (const auto& item : items) {
    if (is_labelled(item)) categories.try_emplace(item.label, 0);
  }
  json::array names;
  for (auto& [name, id] : categories) {
    id = static_cast<std::int64_t>(names.size()) + 1;
    names.push_back(json::object{{"id", id}, {"name", name}, {"supercategory", ""}});
  }
  json::array images;
  json::array annotations;
  for (const auto& item : items) {
    images.push_back(json::object{{"id", item.order},
                                  {"file_name", item.id + ".jpg"},
                                  {"width", item.width},
                                  {"height", item.height},
                                  {"coco_url", picture_of(item, url)},
                                  {"date_captured", rfc3339(item.created_ms)},
                                  {"license", 0}});
    if (!is_labelled(item)) continue;
    annotations.push_back(json::object{{"id", static_cast<std::int64_t>(annotations.size()) + 1},
                                       {"image_id", item.order},
                                       {"category_id", categories.at(item.label)},
                                       {"bbox", json::array{0, 0, item.width, item.height}},
                                       {"area", std::int64_t{item.width} * item.height},
                                       {"iscrowd", 0},
                                       {"segmentation", json::array{}}});
  }
  return {{"info", {{"description", "driftd review queue"}, {"version", "1"}}},
          {"licenses", json::array{}},
          {"images", std::move(images)},
          {"annotations", std::move(annotations)},
          {"categories", std::move(names)}};
}

json::array choice(const std::string& id, const std::string& label) {
  return {json::object{{"id", id},
                       {"from_name", "label"},
                       {"to_name", "image"},
                       {"type", "choices"},
                       {"value", {{"choices", json::array{label}}}}}};
}

json::array label_studio(const std::vector<ReviewItem>& items, const std::string& url) {
  json::array tasks;
  for (const auto& item : items) {
    json::object task{{"data",
                       {{"image", picture_of(item, url)},
                        {"review_id", item.id},
                        {"request_id", item.request_id},
                        {"stream", item.stream},
                        {"source", name_of(item.source)},
                        {"p_value", item.p_value}}},
                      {"predictions", json::array{}},
                      {"annotations", json::array{}}};
    if (!item.predicted.empty()) {
      task["predictions"] = json::array{json::object{
          {"model_version", item.reference}, {"score", item.p_value}, {"result", choice(item.id, item.predicted)}}};
    }
    if (is_labelled(item)) task["annotations"] = json::array{json::object{{"result", choice(item.id, item.label)}}};
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Response file(std::string name, std::string type, std::string body) {
  return {.status = 200,
          .content_type = std::move(type),
          .body = std::move(body),
          .headers = {{"Content-Disposition", "attachment; filename=\"" + name + "\""},
                      {"X-Content-Type-Options", "nosniff"}}};
}

}  // namespace

std::optional<ReviewFormat> review_format_of(std::string_view name) {
  for (const auto& [known, format] : kFormats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

Response export_review(ReviewFormat format, const std::vector<ReviewItem>& items, const std::string& url) {
  switch (format) {
    case ReviewFormat::csv:
      return file("review.csv", "text/csv; charset=utf-8", csv(items, url));
    case ReviewFormat::coco:
      return file("review.coco.json", "application/json", json::serialize(coco(items, url)));
    case ReviewFormat::labelstudio:
      return file("review.labelstudio.json", "application/json", json::serialize(label_studio(items, url)));
  }
  return {};
}

}  // namespace driftd::api
