// The routes of alerts, silences, deliveries, retrain requests and feedback.
//
// Handlers keep references to what they are given, which must outlive the router. They read and write the store, so
// they run on `records`, never on the server's thread.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "api/accuracy_watch.hpp"
#include "api/alert_service.hpp"
#include "api/retrain_service.hpp"
#include "api/router.hpp"
#include "api/webhook_sender.hpp"
#include "drift/monitor.hpp"
#include "drift/store.hpp"

namespace driftd::api {

void add_alert_routes(Router& router, boost::asio::thread_pool& records, drift::Monitor& monitor, AlertService& alerts,
                      drift::Store& store);
void add_delivery_routes(Router& router, boost::asio::thread_pool& records, drift::Store& store, WebhookSender& sender);
void add_retrain_routes(Router& router, boost::asio::thread_pool& records, drift::Store& store,
                        RetrainService& retrain);
void add_feedback_routes(Router& router, boost::asio::thread_pool& records, drift::Store& store,
                         drift::Feedback& feedback, AccuracyWatch& accuracy);

}  // namespace driftd::api
