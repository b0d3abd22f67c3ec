// report.html: an audit for a person to read, one file without network or script.
//
// Confined to one thread. Cost: decoding the worst images and their neighbours, a few ms each. Thumbnails take at most
// 4 MiB.
#pragma once

#include <string>

#include "api/audit_report.hpp"

namespace driftd::api {

// Audited images are opened under the plan's root; training images under reference_images, or, when that is empty, as
// their uri says. What cannot be opened is named without a picture. Every text from outside is escaped.
[[nodiscard]] std::string report_html(const AuditReport& report, const std::string& reference_images);

}  // namespace driftd::api
