#include "api/item_list.hpp"

#include <boost/json.hpp>
#include <fstream>

#include "api/json_body.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

index::Item item_in(const std::string& line) {
  if (!line.starts_with('{')) return {.id = {}, .label = line, .uri = {}, .metadata = {}};
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  if (error || !value.is_object()) throw Error{Errc::invalid_argument, "this is no JSON object"};
  const auto& object = value.as_object();
  const auto* metadata = object.if_contains("metadata");
  return {text_field(object, "id"), text_field(object, "label"), text_field(object, "uri"),
          metadata == nullptr ? "" : json::serialize(*metadata)};
}

}  // namespace

std::vector<index::Item> items_for(const std::filesystem::path& file, std::size_t rows, const std::string& prefix) {
  std::vector<index::Item> items;
  if (file.empty()) items.resize(rows);
  std::ifstream lines{file};
  if (!file.empty() && !lines) throw Error{Errc::not_found, "cannot open " + file.string()};
  for (std::string line; !file.empty() && std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    try {
      items.push_back(item_in(line));
    } catch (const Error& error) {
      throw Error{error.code(), file.string() + " line " + std::to_string(items.size() + 1) + ": " + error.what()};
    }
  }
  if (items.size() != rows) {
    throw Error{Errc::invalid_argument, file.string() + " has " + std::to_string(items.size()) + " lines for " +
                                            std::to_string(rows) + " vectors"};
  }
  for (std::size_t row = 0; row < rows; ++row) {
    if (items[row].id.empty()) items[row].id = prefix + "-" + std::to_string(row);
  }
  return items;
}

}  // namespace driftd::api
