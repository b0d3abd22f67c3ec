#include "api/audit_rows.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "api/csv.hpp"
#include "api/utf8.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

enum Column : std::size_t {
  kPath,
  kStatus,
  kReason,
  kLabel,
  kScore,
  kPValue,
  kOod,
  kDistance,
  kNearestLabel,
  kNearestUri,
  kBrightness,
  kContrast,
  kSharpness,
  kSaturation,
  kWidth,
  kHeight,
  kNeighboursJson,
  kColumns
};

constexpr std::size_t kMaxRowBytes = 1 << 20;
constexpr std::size_t kMaxText = 4096;  // bytes of a label or a uri in the list of neighbours

// The shortest text that reads back as the same number. Scores and distances are floats: as doubles they would show
// digits of noise.
template <class T>
std::string number(T value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

// The double that is shown with as few digits as the float. Reading it through a float again gives the very distance,
// although Boost.JSON reads some numbers one unit in the last place off.
double shortest(double distance) {
  const auto text = number(static_cast<float>(distance));
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string neighbours_json(const std::vector<drift::NearImage>& neighbours) {
  json::array list;
  for (const auto& n : neighbours) {
    list.push_back(json::object{{"id", clean_utf8(n.id, kMaxText)},
                                {"label", clean_utf8(n.label, kMaxText)},
                                {"uri", clean_utf8(n.uri, kMaxText)},
                                {"distance", shortest(n.distance)}});
  }
  return json::serialize(list);
}

std::vector<drift::NearImage> parse_neighbours(const std::string& text) {
  std::vector<drift::NearImage> neighbours;
  const auto list = json::parse(text);
  for (const auto& value : list.as_array()) {
    const auto& n = value.as_object();
    neighbours.push_back({json::value_to<std::string>(n.at("id")), json::value_to<std::string>(n.at("label")),
                          json::value_to<std::string>(n.at("uri")),
                          static_cast<float>(json::value_to<double>(n.at("distance")))});
  }
  return neighbours;
}

template <class T>
T parse_number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(static_cast<double>(value))) {
    throw Error{Errc::corrupt, "'" + text.substr(0, 32) + "' is not a number"};
  }
  return value;
}

AuditImage parse_row(std::vector<std::string>& cells) {
  if (cells.size() != kColumns)
    throw Error{Errc::corrupt, std::to_string(cells.size()) + " cells instead of " + std::to_string(kColumns)};
  AuditImage image;
  auto& row = image.row;
  row.path = std::move(cells[kPath]);
  row.status = std::move(cells[kStatus]);
  row.reason = std::move(cells[kReason]);
  row.label = std::move(cells[kLabel]);
  if (row.status != "ok") return image;
  row.score = parse_number<float>(cells[kScore]);
  row.p_value = parse_number<double>(cells[kPValue]);
  row.ood = cells[kOod] == "true";
  if (!row.ood && cells[kOod] != "false") throw Error{Errc::corrupt, "ood is neither true nor false"};
  row.distance = parse_number<float>(cells[kDistance]);
  image.properties = {parse_number<float>(cells[kBrightness]), parse_number<float>(cells[kContrast]),
                      parse_number<float>(cells[kSharpness]),  parse_number<float>(cells[kSaturation]),
                      parse_number<int>(cells[kWidth]),        parse_number<int>(cells[kHeight])};
  row.neighbours = parse_neighbours(cells[kNeighboursJson]);
  return image;
}

// Cuts a stream into records; a record that the end of the file cuts off is not returned.
class CsvReader {
 public:
  explicit CsvReader(const fs::path& path) : in_{path, std::ios::binary} {
    if (!in_) throw Error{Errc::not_found, "cannot open " + path.string()};
  }

  bool next(std::vector<std::string>& cells) {
    cells.assign(1, "");
    std::uintmax_t length = 0;
    bool quoted = false;
    bool closed = false;  // after the second quote of a cell: another one stands for a quote
    for (int c = in_.get(); c != EOF; c = in_.get()) {
      if (++length > kMaxRowBytes) throw Error{Errc::corrupt, "a row of more than 1 MiB"};
      if (quoted) {
        if (c == '"')
          quoted = false, closed = true;
        else
          cells.back() += static_cast<char>(c);
      } else if (c == '"') {
        if (closed) cells.back() += '"';
        quoted = true, closed = false;
      } else if (c == ',') {
        cells.emplace_back();
        closed = false;
      } else if (c == '\n') {
        end_ += length;
        return true;
      } else {
        cells.back() += static_cast<char>(c);
      }
    }
    return false;
  }
  [[nodiscard]] std::uintmax_t end() const { return end_; }  // of the last record returned

 private:
  std::ifstream in_;
  std::uintmax_t end_ = 0;
};

[[noreturn]] void fail(const std::string& what, const fs::path& path) {
  throw Error{Errc::internal, what + " " + path.string() + ": " + std::generic_category().message(errno)};
}

}  // namespace

std::string audit_header() {
  return csv_row({"path", "status", "reason", "label", "score", "p_value", "ood", "distance", "nearest_label",
                  "nearest_uri", "brightness", "contrast", "sharpness", "saturation", "width", "height", "neighbours"});
}

std::string audit_line(const AuditImage& image) {
  const auto& row = image.row;
  if (row.status != "ok")
    return csv_row({row.path, row.status, row.reason, row.label, "", "", "", "", "", "", "", "", "", "", "", "", ""});
  const auto single = [](double value) { return number(static_cast<float>(value)); };
  const auto& p = image.properties;
  const drift::NearImage none;
  const auto& nearest = row.neighbours.empty() ? none : row.neighbours.front();
  return csv_row({row.path, row.status, row.reason, row.label, single(row.score), number(row.p_value),
                  row.ood ? "true" : "false", single(row.distance), nearest.label, nearest.uri, single(p.brightness),
                  single(p.contrast), single(p.sharpness), single(p.saturation), number(p.width), number(p.height),
                  neighbours_json(row.neighbours)});
}

std::uintmax_t read_audit_rows(const fs::path& path, const std::function<bool(AuditImage&&)>& use) {
  CsvReader reader{path};
  std::uintmax_t used = 0;
  std::uint64_t line = 0;
  try {
    std::vector<std::string> cells;
    while (reader.next(cells)) {
      if (line++ == 0) {
        std::string header;
        for (const auto& cell : cells) header += (header.empty() ? "" : ",") + cell;
        if (header + "\n" != audit_header()) throw Error{Errc::corrupt, "other columns than this driftd writes"};
      } else if (!use(parse_row(cells))) {
        break;
      }
      used = reader.end();
    }
  } catch (const std::exception& error) {  // Boost.JSON's exceptions among them
    const auto* known = dynamic_cast<const Error*>(&error);
    if (known != nullptr && known->code() != Errc::corrupt) throw;
    throw Error{Errc::corrupt, path.string() + ", row " + std::to_string(line) + ": " + error.what()};
  }
  return used;
}

AuditFile::AuditFile(const fs::path& path, std::uintmax_t keep)
    : path_{path}, descriptor_{::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)} {
  if (descriptor_ < 0) fail("cannot open", path_);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {  // let go by the system when the process ends, however it ends
    ::close(descriptor_);
    throw Error{Errc::conflict,
                path_.string() + " is being written by another audit: wait for it, or choose another --out"};
  }
  const auto size = static_cast<off_t>(keep);
  if (::ftruncate(descriptor_, size) != 0 || ::lseek(descriptor_, size, SEEK_SET) != size) {
    ::close(descriptor_);
    fail("cannot shorten", path_);
  }
}

AuditFile::~AuditFile() {
  ::close(descriptor_);  // append() has synced: closing can lose nothing
}

void AuditFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", path_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fdatasync(descriptor_) != 0) fail("cannot sync", path_);
}

}  // namespace driftd::api
