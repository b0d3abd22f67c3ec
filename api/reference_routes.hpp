// The calls on references: look, search, change items, and switch between versions.
//
//   GET /v1/references, GET /v1/references/{r}                       versions, size, kind, calibration
//   POST /v1/search                                                  k nearest items of an image or vector; counts
//   nothing PUT, GET, DELETE /v1/references/{r}/items/{id}; POST .../items   acknowledged = durable GET
//   /v1/references/{r}/items/{id}/image                          a small picture of a training image POST, GET
//   /v1/references/{r}/snapshots; DELETE .../snapshots/{version} POST /v1/references/{r}/activate, .../compact,
//   .../prune
#pragma once

#include "api/embedding_service.hpp"
#include "api/router.hpp"
#include "api/scoring_service.hpp"

namespace driftd::api {

// Keeps references to all, which must outlive the router.
void add_reference_routes(Router& router, EmbeddingService& embedding, const References& references);

}  // namespace driftd::api
