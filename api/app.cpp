#include "api/app.hpp"

#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "api/embedding_service.hpp"
#include "api/http_server.hpp"
#include "api/log.hpp"
#include "api/named_pool.hpp"
#include "api/reference_routes.hpp"
#include "api/references.hpp"
#include "api/routes.hpp"
#include "api/scoring_service.hpp"
#include "api/service_options.hpp"
#include "api/stream_watch.hpp"
#include "api/version.hpp"
#include "api/web_page.hpp"
#include "core/memory.hpp"
#include "core/thread.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;

// Runs an io_context on a thread of its own. Declared after everything that the context's work touches, so that it ends
// first.
class IoThread {
 public:
  IoThread(asio::io_context& io, const std::string& name)
      : io_{io}, guard_{asio::make_work_guard(io)}, thread_{[&io, name] {
          name_thread(name);
          io.run();
        }} {}
  ~IoThread() { io_.stop(); }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

 private:
  asio::io_context& io_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::jthread thread_;
};

// Calls stop() at the first signal. A second one means now.
void on_signal(asio::signal_set& signals, std::function<void()> stop) {
  signals.async_wait([&signals, stop = std::move(stop)](const boost::system::error_code& error, int) {
    if (error) return;
    stop();
    signals.async_wait([](const boost::system::error_code& again, int) {
      if (!again) ::_exit(1);
    });
  });
}

std::string url(const ListenConfig& listen, std::uint16_t port) {
  return "http://" + listen.address + ":" + std::to_string(port);
}

}  // namespace

int serve(const Config& config, std::ostream& out) {
  check_config(config);
  set_log_level(log_level_of(config.log_level));
  Readiness not_ready_because{"loading the model"};
  Metrics metrics{kVersion};

  // Health first: a supervisor must see a slow start as "not ready", not as dead.
  asio::io_context admin_io{1};
  Router admin_routes;
  add_admin_routes(admin_routes, not_ready_because, metrics);
  HttpServer admin{admin_io, http_options(config.admin, config.http), admin_routes};
  const IoThread admin_thread{admin_io, "admin"};

  const auto bundle = embed::read_bundle(model_directory(config.model.directory, config.references.at("default")));
  metrics.set_model(bundle.id());
  // The model is loaded and timed while the references are read and verified.
  auto loading =
      std::async(std::launch::async, [&] { return embed::load_embedder(bundle, embedder_options(config.model)); });
  const std::function<void(const std::string&)> tell = [&](const std::string& what) {
    not_ready_because.with([&](auto& reason) { reason = what; });
  };
  const auto references = load_references(config, bundle, metrics, tell);
  auto embedder = loading.get();
  if (const auto fallback = embedder->fallback(); !fallback.empty())
    log(LogLevel::warn, "the model runs as TorchScript, which is slower", {{"reason", fallback}});

  asio::io_context background_io{1};
  StreamWatch watch{config, bundle, references, background_io, metrics};
  std::optional<IoThread> background_thread{std::in_place, background_io, "background"};

  asio::io_context io{1};
  EmbeddingService embedding{bundle, std::move(embedder), metrics, embedding_options(config)};
  ScoringService scoring{
      embedding, references, watch.watchers(), metrics, score_options(config.scoring), config.scoring.recheck_every};
  Router routes{
      [&](std::string_view route, int status, double seconds) { metrics.http_request(route, status, seconds); }};
  add_public_routes(routes, scoring, watch.monitor(), config.http.max_image_bytes);
  auto records = named_pool(1, "records");  // handlers that read and write the store
  auto trials = named_pool(1, "trials");    // versions are tried, which takes long
  watch.add_routes(routes, records, trials);
  add_reference_routes(routes, embedding, references);
  add_web_routes(routes);
  HttpServer server{io, http_options(config.http, config.http), routes,
                    [&](std::string_view reason) { metrics.rejected(reason); }};

  asio::signal_set signals{io, SIGTERM, SIGINT};
  on_signal(signals, [&] {
    log(LogLevel::info, "stopping: no new connections, requests in flight are finished");
    tell("stopping");
    server.stop(std::chrono::milliseconds{config.http.shutdown_grace_ms}, [&io] { io.stop(); });
  });

  release_start_up_memory();
  tell("");
  out << "driftd " << kVersion << " ready on " << url(config.http, server.port()) << " (admin "
      << url(config.admin, admin.port()) << ")\n"
      << std::flush;
  io.run();

  background_thread.reset();
  watch.save();
  // Requests that ran out of grace are suspended between pools, which cannot be taken down one by one around them: what
  // still computes would wake them on a pool that is gone. All that was acknowledged is on disk.
  if (server.connections() > 0) ::_exit(0);
  return 0;
}

}  // namespace driftd::api
