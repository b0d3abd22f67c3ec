#include "api/web_page.hpp"

#include <array>
#include <string>
#include <string_view>

#include "api/web/files.hpp"

namespace driftd::api {
namespace {

struct Page {
  std::string_view path;
  std::string_view content_type;
  std::string_view content;
};

constexpr std::array kPages{
    Page{"/", "text/html; charset=utf-8", web::kIndexHtml},
    Page{"/docs", "text/html; charset=utf-8", web::kDocsHtml},
    Page{"/app.css", "text/css; charset=utf-8", web::kAppCss},
    Page{"/alerts.js", "text/javascript; charset=utf-8", web::kAlertsJs},
    Page{"/app.js", "text/javascript; charset=utf-8", web::kAppJs},
    Page{"/review.js", "text/javascript; charset=utf-8", web::kReviewJs},
    Page{"/docs.js", "text/javascript; charset=utf-8", web::kDocsJs},
    Page{"/openapi.json", "application/json", web::kOpenapiJson},
};

// Images come from data: and blob: too: the page's icon, and the preview of the image that was dropped on it.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri "
    "'none'; "
    "form-action 'none'; frame-ancestors 'none'";

boost::asio::awaitable<Response> show(const Page& page, Request) {
  Response response;
  response.content_type = page.content_type;
  response.body = page.content;
  response.headers = {{"Content-Security-Policy", std::string{kPolicy}},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cache-Control", "no-cache"}};
  co_return response;
}

}  // namespace

void add_web_routes(Router& router) {
  for (const auto& page : kPages) {
    router.add({"GET", std::string{page.path}, 0, [&page](Request request) { return show(page, std::move(request)); }});
  }
}

}  // namespace driftd::api
