#include "tests/support/http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace driftd::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error{what + ": " + std::strerror(errno)};
}

void parse_field(std::string_view line, Reply& reply) {
  const auto colon = line.find(": ");
  std::string name{line.substr(0, colon)};
  for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  reply.headers[name] = line.substr(colon + 2);
}

}  // namespace

HttpClient::HttpClient(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  if (socket_ < 0) fail("socket");
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
}

HttpClient::~HttpClient() {
  ::close(socket_);
}

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EPIPE || errno == ECONNRESET) return false;
      fail("send");
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool HttpClient::send_in_pieces(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (!send(bytes.substr(i, 1))) return false;
  }
  return true;
}

bool HttpClient::fill() {
  std::array<char, 65536> piece;
  const auto count = ::recv(socket_, piece.data(), piece.size(), 0);
  if (count < 0 && errno != ECONNRESET) fail("recv");
  if (count <= 0) return false;
  input_.append(piece.data(), static_cast<std::size_t>(count));
  return true;
}

Reply HttpClient::receive(bool head) {
  Reply reply;
  std::size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return reply;
  }
  reply.status = std::stoi(input_.substr(9, 3));
  for (auto at = input_.find("\r\n") + 2; at < end;) {
    const auto next = input_.find("\r\n", at);
    parse_field(std::string_view{input_}.substr(at, next - at), reply);
    at = next + 2;
  }
  input_.erase(0, end + 4);
  const auto length = reply.headers.find("content-length");
  const std::size_t size = head || length == reply.headers.end() ? 0 : std::stoul(length->second);
  while (input_.size() < size) {
    if (!fill()) throw std::runtime_error{"the answer's body is cut short"};
  }
  reply.body = input_.substr(0, size);
  input_.erase(0, size);
  return reply;
}

bool HttpClient::at_end() {
  return input_.empty() && !fill();
}

void HttpClient::finish_sending() {
  ::shutdown(socket_, SHUT_WR);
}

}  // namespace driftd::test
