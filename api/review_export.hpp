// The review queue in the formats that labelling tools and training scripts read.
//
//   csv          one row an image (RFC 4180), spreadsheet formulas made inert
//   coco         COCO: images, categories and, for labelled ones, annotations whose box is the whole picture
//   labelstudio  tasks for Label Studio: the neighbours' vote as a prediction, a label as an annotation
// Thread-safe: a pure function. Size: about 1 kB an image; the queue is bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.hpp"
#include "drift/review.hpp"

namespace driftd::api {

enum class ReviewFormat { csv, coco, labelstudio };
[[nodiscard]] std::optional<ReviewFormat> review_format_of(std::string_view name);

// url: where people find this service, without a slash at the end; empty: the pictures' addresses begin with /v1.
[[nodiscard]] Response export_review(ReviewFormat format, const std::vector<drift::ReviewItem>& items,
                                     const std::string& url);

}  // namespace driftd::api
