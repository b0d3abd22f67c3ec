// d1r3: z(log d1) + z(log r3), the two terms of the blend that say most about small defects: the nearest image, and
// how near it is for that part of the reference.
#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double d1r3(const Terms& terms, const Standards& standards) {
  return standards[0].z(terms[0]) + standards[2].z(terms[2]);
}

}  // namespace driftd::drift::scores
