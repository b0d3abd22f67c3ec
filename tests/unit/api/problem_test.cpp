#include "api/problem.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <set>

#include "tests/support/catch.hpp"

using namespace driftd;
using api::problem;

namespace {

std::string text(const boost::json::value& value) {
  return boost::json::value_to<std::string>(value);
}

}  // namespace

TEST_CASE("a problem has the members of RFC 9457 and its request's id") {
  const auto response = problem(413, "the body is over 1 MiB", "id-1");
  CHECK(response.status == 413);
  CHECK(response.content_type == "application/problem+json");
  const auto body = boost::json::parse(response.body);
  CHECK(body.at("type") == "urn:driftd:problem:too-large");
  CHECK(body.at("title") == "The request is too large");
  CHECK(body.at("status") == 413);
  CHECK(body.at("detail") == "the body is over 1 MiB");
  CHECK(body.at("request_id") == "id-1");
}

TEST_CASE("each code has its status") {
  const auto [code, status, type] = GENERATE(table<Errc, int, std::string>({
      {Errc::invalid_argument, 400, "malformed"},
      {Errc::unsupported_media, 415, "unsupported-media"},
      {Errc::undecodable, 422, "undecodable"},
      {Errc::too_large, 413, "too-large"},
      {Errc::not_found, 404, "not-found"},
      {Errc::conflict, 409, "conflict"},
      {Errc::overloaded, 503, "overloaded"},
      {Errc::deadline, 503, "deadline"},
      {Errc::corrupt, 500, "internal"},
      {Errc::internal, 500, "internal"},
  }));
  const auto response = problem(Error{code, "the cause"}, "id-1");
  CHECK(response.status == status);
  const auto body = boost::json::parse(response.body);
  CHECK(text(body.at("type")) == "urn:driftd:problem:" + type);
  CHECK((text(body.at("detail")) == "the cause") == (status != 500));
}

TEST_CASE("every status that is answered has a type of its own") {
  std::set<std::string> types;
  const std::vector<int> statuses{400, 401, 403, 404, 405, 408, 409, 413, 414,
                                  415, 417, 422, 429, 431, 500, 501, 503, 507};
  for (const auto status : statuses) types.insert(text(boost::json::parse(problem(status, "", "").body).at("type")));
  CHECK(types.size() == statuses.size());
  CHECK_FALSE(types.contains("urn:driftd:problem:other"));
}

TEST_CASE("answers worth repeating say when") {
  const auto status = GENERATE(400, 429, 500, 503);
  const bool says_when = !problem(status, "", "").headers.empty();
  CHECK(says_when == (status == 429 || status == 503));
}

TEST_CASE("a detail with bad UTF-8, control characters or without end still gives sound JSON") {
  const auto body = boost::json::parse(problem(400, "a\xFF\n\x01" + std::string(5000, 'x'), "id").body);
  CHECK(text(body.at("detail")).starts_with("a?\n\x01xxx"));
  CHECK(body.at("detail").as_string().size() == 1024);
}
