// The batch audit: score every image of a folder or a list against a reference, survive interruption, split into
// shards, sum up.
//
// An audit's directory holds audit.json (the plan, written first), images.csv (grows block by block), report.html and,
// last of all, report.json: where report.json is, the audit is complete. Confined to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "api/audit_report.hpp"

namespace driftd::api {

struct AuditOutput {
  std::filesystem::path out;
  std::string fail_on = kDefaultCondition;
  std::size_t evidence = 20;  // images shown with their nearest training images, 0 to 1000
  std::string metrics_file;   // empty: none
  // Folder that the reference was built from, for thumbnails; empty: the uris of its items are opened as they are.
  std::string reference_images;
};

struct AuditOptions {
  std::string reference;
  std::string model;   // empty: the one that the reference was built with
  std::string images;  // as list_images() takes it
  ScoreOptions scoring;
  std::uint64_t shard = 1;  // from 1
  std::uint64_t shards = 1;
  bool resume = false;
  bool quiet = false;
  AuditOutput output;
};

// Throws Error: conflict when the directory exists and resume is not set, or was started with other options or images;
// what list_images(), load_reference() and load_embedder() throw; internal when a file cannot be written.
AuditReport run_audit(const AuditOptions& options);

// Joins the shards of one audit, given in any order. Throws Error: conflict when they are not parts of one audit, or
// one is missing or given twice; not_found when one is unfinished.
AuditReport merge_audits(const std::vector<std::filesystem::path>& parts, const AuditOutput& output);

}  // namespace driftd::api
