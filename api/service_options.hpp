// What the parts of the service are told, made of its configuration.
//
// Thread-safe: pure functions of a configuration that check_config() has accepted.
#pragma once

#include <string_view>

#include "api/config.hpp"
#include "api/embedding_service.hpp"
#include "api/http_server.hpp"
#include "api/live_reference.hpp"
#include "api/log.hpp"
#include "api/reference.hpp"
#include "drift/monitor.hpp"
#include "embed/embedder.hpp"

namespace driftd::api {

[[nodiscard]] LogLevel log_level_of(std::string_view name);
// Of the listener at `listen`.
[[nodiscard]] HttpOptions http_options(const ListenConfig& listen, const HttpConfig& http);
[[nodiscard]] embed::EmbedderOptions embedder_options(const ModelConfig& model);
[[nodiscard]] EmbeddingService::Options embedding_options(const Config& config);
[[nodiscard]] ScoreOptions score_options(const ScoringConfig& scoring);
[[nodiscard]] LiveReference::Options live_options(const StoreConfig& store, bool pictures);
[[nodiscard]] drift::MonitorOptions monitor_options(const Config& config);

}  // namespace driftd::api
