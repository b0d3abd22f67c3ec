// blend: z(log d1) + z(log d10) + z(log r3) + z(log r10), the default.
//
// No single k is safe: sets with near-twins want the first neighbour, scattered ones the tenth. The ratios alone lose
// where a reference has many small clusters; the absolute distances win that back. Each term is standardised by the
// reference's own leave-one-out median and MAD, so that none outweighs the others.
#include <cstddef>

#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double blend(const Terms& terms, const Standards& standards) {
  double sum = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) sum += standards[i].z(terms[i]);
  return sum;
}

}  // namespace driftd::drift::scores
