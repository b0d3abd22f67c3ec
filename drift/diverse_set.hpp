// A bounded set of embeddings that are as far apart as an endless stream allows: what is worth a person's look.
//
// Farthest-first (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985) in its streaming form: an
// image is worth its distance to the nearest one in the set. A full set takes an image only in the place of the one
// that is worth least, and only if that makes the smallest distance larger. What was answered stays for a while, so
// that the same thing is not asked again; it is never replaced and takes no place of those that wait.
//
// Confined to one thread (its owner locks). Memory: 2 * capacity embeddings. offer() and add() cost one pass over them,
// remove() one pass for each whose nearest it was.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::drift {

class DiverseSet {
 public:
  // per_stream: the most places of one stream. Throws Error invalid_argument unless 1 <= per_stream <= capacity.
  DiverseSet(std::size_t capacity, std::size_t per_stream);

  struct Offer {
    bool keep = false;
    std::string replaces;  // to be removed first; empty: there is room
    double novelty = 0;    // distance to the nearest one, "replaces" left out; infinite in an empty set
  };
  // Embeddings of another dimension than the first one's are never kept: they belong to another model.
  [[nodiscard]] Offer offer(std::string_view stream, const std::vector<float>& vector) const;

  void add(std::string id, std::string stream, std::vector<float> vector);
  void remove(std::string_view id);    // nothing when it is not there
  void answered(std::string_view id);  // waits no longer
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Entry {
    std::string id;
    std::string stream;
    std::vector<float> vector;
    bool waiting = true;
    float nearest = 0;  // squared distance to the nearest other entry
    std::string whose;  // that entry
  };
  void find_nearest(Entry& entry) const;
  void forget_oldest_answered();

  // Constant after construction
  std::size_t capacity_;
  std::size_t per_stream_;

  std::deque<Entry> entries_;  // oldest first
};

}  // namespace driftd::drift
