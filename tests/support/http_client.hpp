// A client of plain sockets that sends exactly the bytes it is told to. Throws std::runtime_error; waits at most ten
// seconds.
//
// Confined to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace driftd::test {

struct Reply {
  int status = 0;                              // 0: the connection ended without an answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // False when the server has closed its side before everything was sent.
  bool send(std::string_view bytes);
  // One byte a packet.
  bool send_in_pieces(std::string_view bytes);
  // The next answer; of a HEAD request the header only.
  Reply receive(bool head = false);
  // Whether the server has ended the connection (after what was received so far).
  bool at_end();
  void finish_sending();

 private:
  bool fill();

  int socket_;
  std::string input_;
};

}  // namespace driftd::test
