#include "api/reference_routes.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/jpeg_response.hpp"
#include "api/json_body.hpp"
#include "api/json_response.hpp"
#include "api/messages/reference.hpp"
#include "api/messages/score.hpp"
#include "api/paging.hpp"
#include "api/reference_image.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::size_t kMostItems = 1000;      // of one bulk request
constexpr std::size_t kBulkBytes = 64 << 20;  // its body
constexpr std::size_t kSmallBody = 64 << 10;
constexpr std::size_t kMostNeighbours = 1000;

json::object object_of(const std::string& body) {
  boost::system::error_code error;
  auto value = json::parse(body.empty() ? "{}" : body, error);
  if (error || !value.is_object()) throw Error{Errc::invalid_argument, "the body is not a JSON object"};
  return std::move(value.as_object());
}

std::int64_t number_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto number = value == nullptr
                          ? boost::system::result<std::int64_t>{boost::system::error_code{json::error::not_number}}
                          : json::try_value_to<std::int64_t>(*value);
  if (!number)
    throw Error{Errc::invalid_argument,
                "the body must be a JSON object with the whole number \"" + std::string{key} + "\""};
  return *number;
}

LiveReference& named(const References& references, const Request& request) {
  return reference_named(references, request.parameters.at("r"));
}

LiveReference& writable(const References& references, const Request& request) {
  return writable_reference(references, request.parameters.at("r"));
}

json::object describe(const LiveReference& live) {
  const auto compaction = live.compaction();  // first: one that is over shows in all that follows
  auto object = to_json(live.current());
  object["writable"] = live.read_only().empty();
  if (!live.read_only().empty()) object["read_only_because"] = why_read_only(live);
  object["images"] = live.shows_pictures() && has_images(live.current());
  object["compaction"] = {{"running", compaction.running}, {"failed", !compaction.error.empty()}};
  json::array versions;
  for (const auto& version : live.collection().versions()) versions.push_back(to_json(version));
  object["versions"] = std::move(versions);
  return object;
}

json::object written_json(const LiveReference& live, const index::Written& written) {
  return {{"reference", live.collection().name() + "@" + std::to_string(written.version)},
          {"version", written.version},
          {"revision", written.revision}};
}

// --- Items ---

// An item as JSON gives it: its names, and an image or a vector still to be embedded.
struct ItemBody {
  index::Item item;
  std::variant<ImageBytes, Vector> content;
};

void require_model(const json::object& object, const embed::Bundle& bundle) {
  const auto model = text_field(object, "model");
  if (model.empty() || model == bundle.id()) return;
  throw Error{Errc::conflict, "the vector is of the model " + model + ", this reference is of " + bundle.id() +
                                  "; distances between the vectors of two models mean nothing"};
}

ItemBody item_of(const json::object& object, const std::string& id, const EmbeddingService& embedding) {
  require_model(object, embedding.bundle());
  ItemBody body{{id, text_field(object, "label"), text_field(object, "uri"), {}},
                read_image_fields(object, embedding.max_image_bytes())};
  if (const auto* metadata = object.if_contains("metadata"); metadata != nullptr && !metadata->is_null()) {
    body.item.metadata = json::serialize(*metadata);
  }
  return body;
}

ItemBody item_of(const Request& request, const EmbeddingService& embedding) {
  const auto id = request.parameters.at("id");
  if (media_type(request) == "application/json") return item_of(object_of(request.body), id, embedding);
  return {{id, query_text(request, "label"), query_text(request, "uri"), query_text(request, "metadata")},
          read_image_body(request, embedding.max_image_bytes())};
}

awaitable<Response> put_item(EmbeddingService& embedding, const References& references, Request request) {
  auto& live = writable(references, request);
  auto body = item_of(request, embedding);
  index::check(view_of(body.item));
  auto embedded = co_await embedding.embed(std::move(body.content), request.deadline);
  const auto written = live.upsert({{std::move(body.item), std::move(embedded.vector), {}}});
  auto answer = written_json(live, written);
  answer["id"] = request.parameters.at("id");
  co_return json_response(answer);
}

awaitable<Response> get_item(const References& references, Request request) {
  const auto& live = named(references, request);
  const auto found = live.collection().find(request.parameters.at("id"));
  if (!found) throw Error{Errc::not_found, "there is no such item"};
  auto answer = to_json(found->item);
  if (request.query.contains("vector")) answer["vector"] = json::value_from(found->vector);
  co_return json_response(answer);
}

awaitable<Response> get_item_image(const References& references, Request request) {
  const auto& live = named(references, request);
  if (!live.shows_pictures()) throw Error{Errc::not_found, "no pictures are shown here: pictures is false"};
  const auto found = live.collection().find(request.parameters.at("id"));
  if (!found) throw Error{Errc::not_found, "there is no such item"};
  const auto jpeg = reference_image(live.current(), found->item);
  co_return jpeg_response(std::as_bytes(std::span{jpeg}), Lasts::minutes);
}

awaitable<Response> delete_item(const References& references, Request request) {
  auto& live = writable(references, request);
  std::size_t removed = 0;
  const auto written = live.remove({request.parameters.at("id")}, &removed);
  if (removed == 0) throw Error{Errc::not_found, "there is no such item"};
  co_return json_response(written_json(live, written));
}

// Embeds what can be embedded, then writes all of that at once; the others say why they are not among it.
awaitable<Response> post_items(EmbeddingService& embedding, const References& references, Request request) {
  auto& live = writable(references, request);
  const auto body = object_of(request.body);
  const auto* items = body.if_contains("items");
  if (items == nullptr || !items->is_array() || items->as_array().size() > kMostItems) {
    throw Error{
        Errc::invalid_argument,
        R"(the body must be {"items": [{"id", "vector" or "image", "label", "uri", "metadata"}, ...]}, at most )" +
            std::to_string(kMostItems) + " of them"};
  }
  std::vector<index::NewItem> sound;
  json::array statuses;
  for (const auto& value : items->as_array()) {
    std::string id;
    std::string fault;
    try {
      if (!value.is_object()) throw Error{Errc::invalid_argument, "an item must be a JSON object"};
      id = text_field(value.as_object(), "id");
      auto item = item_of(value.as_object(), id, embedding);
      index::check(view_of(item.item));
      auto embedded = co_await embedding.embed(std::move(item.content), request.deadline);
      if (embedded.vector.size() != live.current().items->dimension())
        throw Error{Errc::invalid_argument, "the vector has another dimension than the reference's"};
      sound.push_back({std::move(item.item), std::move(embedded.vector), {}});
    } catch (const Error& error) {
      if (error.code() == Errc::deadline || error.code() == Errc::overloaded) throw;
      fault = error.what();
    }
    statuses.push_back(json::object{{"id", id},
                                    {"status", fault.empty() ? "ok" : "refused"},
                                    {"detail", fault.empty() ? json::value(nullptr) : json::value(fault)}});
  }
  const auto count = sound.size();
  auto answer = written_json(live, live.upsert(std::move(sound)));
  answer["written"] = count;
  answer["items"] = std::move(statuses);
  co_return json_response(answer);
}

// --- Search ---

awaitable<Response> search(EmbeddingService& embedding, const References& references, Request request) {
  const auto& live = reference_of(references, request);
  const auto k = count_of(request, "k", drift::kDefaultK, kMostNeighbours);
  index::Filter filter;
  if (const auto label = request.query.find("label"); label != request.query.end()) filter.label = label->second;
  const auto embedded = co_await embedding.embed(request);
  const auto reference = live.current();
  co_return json_response({{"request_id", request.id},
                           {"reference", reference.id()},
                           {"neighbours", to_json(nearest(reference, embedded.vector, k, filter))}});
}

// --- References and versions ---

awaitable<Response> get_references(const References& references, Request) {
  json::array array;
  for (const auto& [name, live] : references) array.push_back(describe(*live));
  co_return json_response({{"references", std::move(array)}});
}

awaitable<Response> get_reference(const References& references, Request request) {
  co_return json_response(describe(named(references, request)));
}

awaitable<Response> post_snapshot(const References& references, Request request) {
  auto& live = writable(references, request);
  const auto note = text_field(object_of(request.body), "note");
  if (note.size() > 1024) throw Error{Errc::invalid_argument, "a note has at most 1024 bytes"};
  const auto version = live.take_snapshot(note);
  co_return json_response({{"reference", live.collection().name()}, {"version", version}, {"note", note}}, 201);
}

awaitable<Response> get_snapshots(const References& references, Request request) {
  json::array array;
  for (const auto& version : named(references, request).collection().versions()) {
    if (version.record.snapshot) array.push_back(to_json(version));
  }
  co_return json_response({{"snapshots", std::move(array)}});
}

awaitable<Response> delete_snapshot(const References& references, Request request) {
  auto& live = writable(references, request);
  const auto& text = request.parameters.at("version");
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    throw Error{Errc::not_found, "there is no such version"};
  live.drop_snapshot(std::stoll(text));
  co_return json_response(describe(live));
}

awaitable<Response> activate(const References& references, Request request) {
  auto& live = writable(references, request);
  live.activate(number_of(object_of(request.body), "version"));
  co_return json_response(describe(live));
}

awaitable<Response> compact(const References& references, Request request) {
  auto& live = writable(references, request);
  live.compact();
  co_return json_response(describe(live), 202);
}

awaitable<Response> prune(const References& references, Request request) {
  auto& live = writable(references, request);
  const auto keep = number_of(object_of(request.body), "keep");
  if (keep < 0) throw Error{Errc::invalid_argument, "\"keep\" must be 0 or more"};
  json::array gone;
  for (const auto version : live.prune(static_cast<std::size_t>(keep))) gone.push_back(version);
  auto answer = describe(live);
  answer["removed"] = std::move(gone);
  co_return json_response(answer);
}

}  // namespace

void add_reference_routes(Router& router, EmbeddingService& embedding, const References& references) {
  const auto image = embedding.max_image_bytes() / 3 * 4 + kSmallBody;
  // All hop to a worker: any may wait for the disk, or for a writer who does.
  const auto worker = [&](const char* method, const char* pattern, std::size_t limit, auto handler) {
    router.add({method, pattern, limit, [&embedding, &references, handler](Request r) {
                  return embedding.on_worker(
                      [&references, handler](Request inner) { return handler(references, std::move(inner)); },
                      std::move(r));
                }});
  };
  const auto embedder = [&](const char* method, const char* pattern, std::size_t limit, auto handler) {
    router.add({method, pattern, limit, [&embedding, &references, handler](Request r) {
                  return embedding.on_worker(
                      [&embedding, &references, handler](Request inner) {
                        return handler(embedding, references, std::move(inner));
                      },
                      std::move(r));
                }});
  };
  worker("GET", "/v1/references", 0, get_references);
  worker("GET", "/v1/references/{r}", 0, get_reference);
  embedder("POST", "/v1/search", image, search);
  embedder("PUT", "/v1/references/{r}/items/{id}", image, put_item);
  embedder("POST", "/v1/references/{r}/items", kBulkBytes, post_items);
  worker("GET", "/v1/references/{r}/items/{id}", 0, get_item);
  worker("DELETE", "/v1/references/{r}/items/{id}", 0, delete_item);
  worker("GET", "/v1/references/{r}/items/{id}/image", 0, get_item_image);
  worker("POST", "/v1/references/{r}/snapshots", kSmallBody, post_snapshot);
  worker("GET", "/v1/references/{r}/snapshots", 0, get_snapshots);
  worker("DELETE", "/v1/references/{r}/snapshots/{version}", 0, delete_snapshot);
  worker("POST", "/v1/references/{r}/activate", kSmallBody, activate);
  worker("POST", "/v1/references/{r}/compact", kSmallBody, compact);
  worker("POST", "/v1/references/{r}/prune", kSmallBody, prune);
}

}  // namespace driftd::api
