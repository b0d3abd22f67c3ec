#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "api/commands/command.hpp"
#include "api/messages/score.hpp"
#include "api/pipeline.hpp"
#include "api/reference.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "embed/embedder.hpp"

namespace driftd::api {
namespace {

struct Options {
  std::string reference;
  std::string model;
  std::vector<std::string> images;
  std::string rule = "blend";
  std::size_t k = drift::kDefaultK;
  double alpha = 0.05;
  bool same_label = false;
  bool per_label = false;
  std::string label;
  bool json = false;
};

void print_text(const std::string& image, const Score& s) {
  std::printf("%s  %s  score %.2f  p %.4g  distance %.3f (limit %.3f)  nearest", s.ood ? "DRIFT" : "ok   ",
              image.c_str(), s.score, s.p_value, s.distance, s.threshold);
  for (const auto& n : s.neighbours) std::printf(" %s%s%s", n.label.c_str(), n.label.empty() ? "" : "/", n.id.c_str());
  std::printf("\n");
}

// A bad file gets its line and does not end the run.
int score_images(const Options& options) {
  const auto bundle = embed::read_bundle(model_directory(options.model, options.reference));
  const auto reference = load_reference(options.reference, bundle);
  const auto embedder = embed::load_embedder(bundle);
  int exit_code = 0;
  for (const auto& image : options.images) {
    try {
      const auto prepared = prepare(read_file(image), bundle.preprocess);
      const auto vector = embedder->embed({&prepared.image, 1});
      const auto result = score(reference, vector,
                                {drift::rule_of(options.rule), options.k, options.alpha,
                                 options.same_label || !options.label.empty() ? Among::same_label : Among::all,
                                 options.label, options.per_label})
                              .front();
      if (!options.json) {
        print_text(image, result);
        continue;
      }
      boost::json::object object{{"path", image}, {"reference", reference.id()}, {"model", bundle.id()}};
      for (auto& field : to_json(result)) object.insert(field);
      object["properties"] = to_json(prepared.properties);
      std::cout << boost::json::serialize(object) << '\n';
    } catch (const Error& error) {
      std::cerr << "driftd: " << image << ": " << error.what() << '\n';
      exit_code = 1;
    }
  }
  return exit_code;
}

}  // namespace

void add_score_command(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("score", "Score images offline, by the same code as the service");
  command->add_option("--reference", options->reference, "Directory of the reference")->required();
  command->add_option("--model", options->model, "Bundle; default: the one that the reference was built with");
  command->add_option("--rule", options->rule, drift::rule_names())->capture_default_str();
  command->add_option("--k", options->k, "Neighbours listed")->capture_default_str()->check(CLI::Range(1, 10));
  command->add_option("--alpha", options->alpha, "p-value at which an image counts as out of distribution")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--same-label", options->same_label,
                    "Compare with items of the label that the nearest ones vote for");
  command->add_option("--label", options->label, "Compare with items of this label");
  command->add_flag("--per-label", options->per_label,
                    "Rank among images of the label that the nearest items vote for");
  command->add_flag("--json", options->json, "One JSON object per line");
  command->add_option("images", options->images, "Image files")->required();
  command->callback([options, &chosen] { chosen = [options] { return score_images(*options); }; });
}

}  // namespace driftd::api
