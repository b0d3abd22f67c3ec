// driftd index add, remove, compact: what changes the items of a reference that no service holds.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>

#include "api/bulk_embed.hpp"
#include "api/commands/command.hpp"
#include "api/image_source.hpp"
#include "api/item_list.hpp"
#include "api/live_reference.hpp"
#include "api/npy.hpp"
#include "api/progress.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kBatch = 1000;

struct Options {
  std::string reference;
  std::string model;
  std::string images;
  std::string vectors;
  std::string items;
  std::vector<std::string> ids;
  std::string label;
  bool quiet = false;
};

// A reference open for writing, with its model.
struct Opened {
  explicit Opened(const Options& options)
      : bundle{embed::read_bundle(model_directory(options.model, options.reference))},
        collection{open_reference(options.reference, bundle, true)} {
    if (!collection->fault().empty()) throw Error{Errc::corrupt, collection->fault()};
  }
  embed::Bundle bundle;
  std::unique_ptr<index::Collection> collection;
};

std::int64_t compact(Opened& opened, bool quiet) {
  const Reference reference{opened.collection->snapshot()};
  Progress progress{"calibrating", reference.items->size(), quiet};
  return opened.collection->compact(
      finish_like(reference, opened.bundle.pools.size(), [&](std::size_t done) { progress.update(done); }));
}

// Adds items in batches; when the version is full of changes, it is compacted on the way.
class Writer {
 public:
  Writer(Opened& opened, bool quiet) : opened_{opened}, quiet_{quiet} {}

  void add(index::NewItem item) {
    item.attached = own_distances({opened_.collection->snapshot()}, item);
    batch_.push_back(std::move(item));
    if (batch_.size() == kBatch) flush();
  }
  void flush() {
    if (opened_.collection->changes() + batch_.size() > index::CollectionOptions{}.max_changes)
      (void)compact(opened_, quiet_);
    added_ += batch_.size();
    opened_.collection->upsert(std::exchange(batch_, {}));
  }
  [[nodiscard]] std::size_t added() const { return added_; }

 private:
  Opened& opened_;
  const bool quiet_;
  std::vector<index::NewItem> batch_;
  std::size_t added_ = 0;
};

void add_vectors(const Options& options, Writer& writer) {
  const auto vectors = read_npy(options.vectors);
  auto items = items_for(options.items, vectors.rows, std::filesystem::path{options.vectors}.stem().string());
  Progress progress{"adding", vectors.rows, options.quiet};
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    const auto row = vectors.row(i);
    writer.add({std::move(items[i]), {row.begin(), row.end()}, {}});
    progress.update(i + 1);
  }
}

std::size_t add_images(const Options& options, const Opened& opened, Writer& writer) {
  const auto sources = list_images(options.images);
  const auto embedder = embed::load_embedder(opened.bundle);
  Progress progress{"embedding", sources.size(), options.quiet};
  std::size_t done = 0;
  std::size_t skipped = 0;
  embed_all(sources, opened.bundle, *embedder, [&](Embedded&& image) {
    progress.update(++done);
    if (image.vector.empty()) {
      std::cerr << "skipped " << image.source->uri << ": " << image.reason << '\n';
      ++skipped;
      return;
    }
    writer.add({{image.source->uri, image.source->label, image.source->uri, {}}, std::move(image.vector), {}});
  });
  return skipped;
}

int add(const Options& options) {
  if (options.images.empty() == options.vectors.empty())
    throw Error{Errc::invalid_argument, "give either --images or --vectors"};
  Opened opened{options};
  Writer writer{opened, options.quiet};
  std::size_t skipped = 0;
  if (options.vectors.empty()) {
    skipped = add_images(options, opened, writer);
  } else {
    add_vectors(options, writer);
  }
  writer.flush();
  const auto now = opened.collection->snapshot();
  std::cout << "added " << writer.added() << ", skipped " << skipped << ": " << now->id() << " holds " << now->size()
            << " items, " << now->revision() << " changes since it was calibrated\n";
  return 0;
}

int remove(const Options& options) {
  Opened opened{options};
  auto ids = options.ids;
  const auto before = opened.collection->snapshot();
  for (std::size_t row = 0; !options.label.empty() && row < before->rows(); ++row) {
    const auto& item = before->item(static_cast<std::int64_t>(row));
    if (before->alive(row) && item.label == options.label) ids.emplace_back(item.id);
  }
  if (ids.empty()) throw Error{Errc::not_found, "nothing to remove: give ids, or the --label of some items"};
  std::size_t removed = 0;
  opened.collection->remove(ids, &removed);
  const auto now = opened.collection->snapshot();
  std::cout << "removed " << removed << " of " << ids.size() << ": " << now->id() << " holds " << now->size()
            << " items; their vectors stay in its files until `driftd index compact`\n";
  return 0;
}

int compact_command(const Options& options) {
  Opened opened{options};
  const auto before = opened.collection->snapshot();
  (void)compact(opened, options.quiet);
  const auto now = opened.collection->snapshot();
  std::cout << before->id() << " -> " << now->id() << ": " << now->size()
            << " items, calibrated anew; go back with: driftd index activate " << options.reference << ' '
            << before->version() << '\n';
  return 0;
}

}  // namespace

void add_index_change_commands(CLI::App& group, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  const auto command = [&](const char* name, const char* text, int (*run)(const Options&)) {
    auto* sub = group.add_subcommand(name, text);
    sub->add_option("reference", options->reference, "Directory of the reference")->required();
    sub->add_option("--model", options->model, "Bundle; default: the one that the reference was built with");
    sub->add_flag("--quiet", options->quiet, "No progress");
    sub->callback([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return sub;
  };
  auto* adding =
      command("add", "Add images or vectors, replacing items of the same id (an image's id is its path)", add);
  adding->add_option("--images", options->images, "Folder, list of paths, or - for a list on standard input");
  adding->add_option("--vectors", options->vectors, "Embeddings of this model: a .npy matrix with a row for each");
  adding->add_option("--items", options->items,
                     R"(With --vectors: a line for each row, {"id", "label", "uri", "metadata"} or only a label)");
  auto* removing = command("remove", "Remove items", remove);
  removing->add_option("ids", options->ids, "Their ids");
  removing->add_option("--label", options->label, "All items of this label");
  command("compact", "Write the items as a new version, calibrated anew, without what was removed", compact_command);
}

}  // namespace driftd::api
