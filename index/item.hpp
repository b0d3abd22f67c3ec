// What is kept about one reference image beside its vector. A plain value.
#pragma once

#include <string>

namespace driftd::index {

struct Item {
  std::string id;     // unique within a collection, 1 to 256 bytes
  std::string label;  // may be empty
  std::string uri;    // where the image came from: a path relative to the folder it was read from, or any text
};

}  // namespace driftd::index
