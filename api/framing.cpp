#include "api/framing.hpp"

#include <algorithm>
#include <charconv>

namespace driftd::api {
namespace {

constexpr std::size_t kMaxChunkLine = 1024;
constexpr std::size_t kMaxExtensionBytes = 16 * 1024;
constexpr std::uint64_t kTinyChunk = 16;                  // bytes; a mean below it costs more to parse than it carries
constexpr std::uint64_t kTinyChunkAllowance = 64 * 1024;  // wire bytes before the mean is looked at

Refusal refuse(int status, std::string detail) {
  return {status, "framing", std::move(detail)};
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

bool is_token_character(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

bool is_host_character(char c) {
  return is_token_character(c) || std::string_view{":[](),;=%"}.find(c) != std::string_view::npos;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Values of the fields called name.
std::vector<std::string_view> values_of(const Fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : fields) {
    if (key == name) values.push_back(value);
  }
  return values;
}

Refusal check_transfer_encoding(int minor, const std::vector<std::string_view>& codings, bool has_length) {
  if (codings.empty()) return {};
  if (minor == 0) return refuse(400, "HTTP/1.0 has no Transfer-Encoding");
  if (has_length) return refuse(400, "Transfer-Encoding and Content-Length contradict each other: send one of them");
  if (codings.size() > 1) return refuse(400, "Transfer-Encoding must be given once");
  if (equals_ignoring_case(codings.front(), "chunked")) return {};
  return refuse(501, "the only Transfer-Encoding served is 'chunked'");
}

Refusal read_content_length(const std::vector<std::string_view>& lengths, std::uint64_t& length) {
  if (lengths.empty()) return {};
  if (lengths.size() > 1) return refuse(400, "Content-Length must be given once");
  const auto text = lengths.front();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc{} || end != text.data() + text.size())
    return refuse(400, "Content-Length must be one decimal number");
  return {};
}

}  // namespace

Refusal HeadScanner::scan(std::string_view all) {
  for (; size_ == 0 && scanned_ < all.size(); ++scanned_) {
    if (scanned_ >= limits_.bytes) {
      if (lines_ == 0) return {414, "header", "the request line is too long"};
      return {431, "header", "the header section is too large"};
    }
    const char c = all[scanned_];
    // Seen at once, so that a TLS handshake or a binary protocol is answered and not waited for.
    if (scanned_ == 0 && !is_upper(c))
      return refuse(400, "the request does not start with a method: is this port spoken to over TLS?");
    if (c != '\n') continue;
    if (scanned_ == line_start_ || all[scanned_ - 1] != '\r')
      return refuse(400, "a header line does not end with CR LF");
    if (auto refusal = check_line(all.substr(line_start_, scanned_ - 1 - line_start_))) return refusal;
    line_start_ = scanned_ + 1;
  }
  return {};
}

Refusal HeadScanner::check_line(std::string_view line) {
  if (std::ranges::any_of(line, is_control)) return refuse(400, "the header section has a control character");
  if (lines_++ == 0) {
    const auto target = line.substr(std::min(line.find(' ') + 1, line.size()));
    if (target.substr(0, target.find(' ')).size() > limits_.target)
      return {414, "header", "the request target is too long"};
    return {};
  }
  if (line.empty()) {
    size_ = scanned_ + 1;
    return {};
  }
  if (line.front() == ' ' || line.front() == '\t') return refuse(400, "a header field is folded over two lines");
  const auto name = line.substr(0, line.find(':'));
  if (name.empty() || name.size() == line.size() || !std::ranges::all_of(name, is_token_character)) {
    return refuse(400, "a header line is not of the form 'name: value'");
  }
  if (lines_ - 1 > limits_.fields) return {431, "header", "the request has too many header fields"};
  return {};
}

Refusal check_fields(int minor, const Fields& fields, Framing& framing) {
  const auto hosts = values_of(fields, "host");
  if (hosts.size() > 1 || (minor == 1 && hosts.empty()))
    return refuse(400, "an HTTP/1.1 request has exactly one Host field");
  if (!hosts.empty() && !std::ranges::all_of(hosts.front(), is_host_character))
    return refuse(400, "the Host field names no host");
  if (!values_of(fields, "trailer").empty()) return refuse(400, "trailer fields are not served");

  const auto codings = values_of(fields, "transfer-encoding");
  const auto lengths = values_of(fields, "content-length");
  if (auto refusal = check_transfer_encoding(minor, codings, !lengths.empty())) return refusal;
  framing.chunked = !codings.empty();
  if (auto refusal = read_content_length(lengths, framing.content_length)) return refusal;

  for (const auto expectation : values_of(fields, "expect")) {
    if (!equals_ignoring_case(expectation, "100-continue"))
      return refuse(417, "the only expectation served is '100-continue'");
    framing.expects_continue = minor == 1;
  }
  return {};
}

BodyDecoder::BodyDecoder(const Framing& framing, std::size_t limit)
    : state_{framing.chunked              ? State::chunk_line
             : framing.content_length > 0 ? State::content
                                          : State::done},
      limit_{limit},
      remaining_{framing.content_length} {}

Refusal BodyDecoder::push(std::string_view& input, std::string& body) {
  while (!input.empty() && !done()) {
    const bool in_data = state_ == State::content || state_ == State::chunk_data;
    if (auto refusal = in_data ? take_data(input, body) : take_line(input)) return refusal;
  }
  return {};
}

Refusal BodyDecoder::take_data(std::string_view& input, std::string& body) {
  const auto data = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size())));
  if (data.size() > limit_ - body.size()) return {413, "body", "the body is over this resource's limit"};
  body += data;
  input.remove_prefix(data.size());
  added(data.size());
  return {};
}

void BodyDecoder::added(std::uint64_t bytes) {
  remaining_ -= bytes;
  if (remaining_ == 0) state_ = state_ == State::content ? State::done : State::chunk_end;
}

// Collects one line of the chunked framing; end_line() acts on it.
Refusal BodyDecoder::take_line(std::string_view& input) {
  const auto newline = input.find('\n');
  const auto piece = input.substr(0, newline);
  if (line_.size() + piece.size() > kMaxChunkLine) return refuse(400, "a chunk's line is over 1024 bytes");
  line_ += piece;
  if (newline == std::string_view::npos) {
    input = {};
    return {};
  }
  input.remove_prefix(newline + 1);
  if (!line_.ends_with('\r')) return refuse(400, "a chunk's line does not end with CR LF");
  line_.pop_back();
  auto refusal = end_line();
  line_.clear();
  return refusal;
}

Refusal BodyDecoder::end_line() {
  if (state_ == State::chunk_line) return start_chunk();
  if (state_ == State::last_line) {
    if (!line_.empty()) return refuse(400, "trailer fields are not served");
    state_ = State::done;
    return {};
  }
  if (!line_.empty()) return refuse(400, "a chunk is longer than the size it gave");
  state_ = State::chunk_line;
  return {};
}

Refusal BodyDecoder::start_chunk() {
  const auto digits = std::min(line_.find_first_not_of("0123456789abcdefABCDEF"), line_.size());
  if (digits == 0 || digits > 15) return refuse(400, "a chunk's size is not a hexadecimal number");
  const auto extension = std::string_view{line_}.substr(digits);
  const auto semicolon = extension.find(';');
  if (!extension.empty() && (semicolon == std::string_view::npos || semicolon != extension.find_first_not_of(" \t"))) {
    return refuse(400, "a chunk's size is followed by something that is no extension");
  }
  if (std::ranges::any_of(extension, is_control)) return refuse(400, "a chunk extension has a control character");
  extension_bytes_ += extension.size();
  if (extension_bytes_ > kMaxExtensionBytes) return refuse(400, "the chunk extensions are over 16 KiB in all");

  std::from_chars(line_.data(), line_.data() + digits, remaining_, 16);
  chunk_bytes_ += remaining_;
  ++chunks_;
  if (chunk_bytes_ > limit_) return {413, "body", "the body is over this resource's limit"};
  // Counted on the wire, where a chunk costs at least five bytes more: a stream of empty-handed chunks ends early as
  // well.
  if (chunk_bytes_ + 5 * chunks_ > kTinyChunkAllowance && chunk_bytes_ / chunks_ < kTinyChunk) {
    return refuse(400, "the body comes in chunks of less than 16 bytes: send larger ones");
  }
  state_ = remaining_ == 0 ? State::last_line : State::chunk_data;
  return {};
}

}  // namespace driftd::api
