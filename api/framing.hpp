// Where a request begins and ends on the wire (RFC 9112), decided strictly: every shape that two servers may read
// differently is refused, whatever a parser would make of it. Requests smuggled past a proxy live in that difference.
//
// Pure logic without sockets; the verdict never depends on how the bytes were cut into packets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace driftd::api {

// Why a request is not served.
struct Refusal {
  int status = 0;           // 0: nothing to refuse
  std::string_view reason;  // a literal, the label of a counter
  std::string detail;       // safe to show to the client

  explicit operator bool() const { return status != 0; }
};

struct HeadLimits {
  std::size_t bytes = 16 * 1024;
  std::size_t fields = 100;
  std::size_t target = 4096;
};

// Finds the end of a header section while it arrives. Confined to one thread.
class HeadScanner {
 public:
  explicit HeadScanner(HeadLimits limits) : limits_{limits} {}

  // all: every byte of the request so far; bytes seen by an earlier call are not looked at again. Nothing to refuse and
  // size() of 0 ask for more bytes.
  [[nodiscard]] Refusal scan(std::string_view all);
  [[nodiscard]] std::size_t size() const { return size_; }  // of the section with its empty line, once complete

 private:
  [[nodiscard]] Refusal check_line(std::string_view line);

  HeadLimits limits_;
  std::size_t scanned_ = 0;
  std::size_t line_start_ = 0;
  std::size_t lines_ = 0;
  std::size_t size_ = 0;
};

// How long the body is: chunked, or content_length bytes, or none.
struct Framing {
  bool chunked = false;
  std::uint64_t content_length = 0;
  bool expects_continue = false;

  [[nodiscard]] bool has_body() const { return chunked || content_length > 0; }
};

using Fields = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// minor: 0 or 1 of HTTP/1.x. Fills framing when nothing is refused.
[[nodiscard]] Refusal check_fields(int minor, const Fields& fields, Framing& framing);

// Takes a body off its framing, chunked or not. Memory: the body, up to limit, and 1 KiB. Confined to one thread.
class BodyDecoder {
 public:
  BodyDecoder(const Framing& framing, std::size_t limit);

  // Consumes a prefix of input: all of it unless the body ends before. Appends what belongs to the body.
  [[nodiscard]] Refusal push(std::string_view& input, std::string& body);
  [[nodiscard]] bool done() const { return state_ == State::done; }

  // How many bytes follow that belong to the body as they are. A caller may append some of them to it without push(),
  // and says with added() how many.
  [[nodiscard]] std::uint64_t plain() const { return state_ == State::content ? remaining_ : 0; }
  void added(std::uint64_t bytes);

 private:
  enum class State { content, chunk_line, chunk_data, chunk_end, last_line, done };

  [[nodiscard]] Refusal take_data(std::string_view& input, std::string& body);
  [[nodiscard]] Refusal take_line(std::string_view& input);
  [[nodiscard]] Refusal end_line();
  [[nodiscard]] Refusal start_chunk();

  State state_;
  std::size_t limit_;
  std::uint64_t remaining_;  // of the content or of the current chunk
  std::string line_;         // the chunk line so far
  std::size_t extension_bytes_ = 0;
  std::uint64_t chunks_ = 0;
  std::uint64_t chunk_bytes_ = 0;
};

}  // namespace driftd::api
