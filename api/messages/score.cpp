#include "api/messages/score.hpp"

#include <boost/json.hpp>

#include "api/messages/value.hpp"

namespace driftd::api {

namespace json = boost::json;

json::object to_json(const Score& s) {
  json::object object{{"score", number(s.score)},
                      {"p_value", number(s.p_value)},
                      {"ood", s.ood},
                      {"alpha", s.alpha},
                      {"distance", number(s.distance)},
                      {"threshold", number(s.threshold)},
                      {"k", s.k},
                      {"neighbours", neighbours(s.neighbours)}};
  if (s.label) object["label"] = *s.label;
  return object;
}

json::object to_json(const embed::Properties& p) {
  return {{"brightness", number(p.brightness)},
          {"contrast", number(p.contrast)},
          {"sharpness", number(p.sharpness)},
          {"saturation", number(p.saturation)},
          {"width", p.width},
          {"height", p.height},
          {"aspect", number(p.aspect())},
          {"jpeg_quality", p.jpeg_quality}};
}

json::array to_json(const std::vector<Neighbour>& found) {
  return neighbours(found);
}

}  // namespace driftd::api
