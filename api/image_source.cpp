#include "api/image_source.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>

#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;

bool hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

std::vector<ImageSource> list_folder(const fs::path& root) {
  std::vector<ImageSource> sources;
  fs::recursive_directory_iterator walk{root, fs::directory_options::skip_permission_denied};
  for (; walk != fs::recursive_directory_iterator{}; ++walk) {
    if (hidden(walk->path())) {
      if (walk->is_directory()) walk.disable_recursion_pending();
      continue;
    }
    if (!walk->is_regular_file()) continue;
    const auto relative = walk->path().lexically_relative(root);
    const auto label = std::next(relative.begin()) == relative.end() ? fs::path{} : *relative.begin();
    sources.push_back({walk->path(), relative.generic_string(), label.string()});
  }
  std::sort(sources.begin(), sources.end(), [](const auto& a, const auto& b) { return a.uri < b.uri; });
  return sources;
}

std::vector<ImageSource> list_lines(std::istream& in, const fs::path& base) {
  std::vector<ImageSource> sources;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const auto tab = line.find('\t');
    const auto path = line.substr(0, tab);
    sources.push_back({base / path, path, tab == std::string::npos ? "" : line.substr(tab + 1)});
  }
  return sources;
}

std::vector<ImageSource> list_any(const std::string& where) {
  if (where == "-") return list_lines(std::cin, {});
  if (fs::is_directory(where)) return list_folder(where);
  std::ifstream list{where};
  if (!list) throw Error{Errc::not_found, "no folder and no list of images at " + where};
  return list_lines(list, fs::path{where}.parent_path());
}

}  // namespace

std::vector<ImageSource> list_images(const std::string& where) {
  auto sources = list_any(where);
  if (sources.empty()) throw Error{Errc::invalid_argument, where + " names no file"};
  return sources;
}

fs::path image_root(const std::string& where) {
  if (where.empty() || where == "-") return {};
  const auto place = fs::absolute(where).lexically_normal();
  return fs::is_directory(place) ? place : place.parent_path();
}

}  // namespace driftd::api
