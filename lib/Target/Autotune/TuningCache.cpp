// What measurements chose, kept on disk for later compilations on the same machine.
#include "stc/Target/Autotune/TuningCache.h"

#include "stc/Support/File.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/xxhash.h"

using namespace stc;

/// More than any model needs; a file larger than this is not ours.
static constexpr uint64_t kMaxFileBytes = 16 << 20;

static std::string hashOf(const std::string &text) {
  return absl::StrCat(absl::Hex(llvm::xxh3_64bits(text), absl::kZeroPad16));
}

TuningCache::TuningCache(std::string folder, std::string circumstance)
    : directory(std::move(folder)), header(absl::StrCat("stc-autotune 1 ", circumstance)) {
  if (directory.empty())
    return;
  file = absl::StrCat(directory, "/", hashOf(header), ".txt");
  read(known, damage);
}

void TuningCache::read(Entries &entries, std::vector<std::string> &problems) const {
  if (!llvm::sys::fs::exists(file))
    return;
  auto report = [&](size_t line, absl::string_view what) {
    problems.push_back(absl::StrCat(file, ":", line, ": ", what, ", which is ignored"));
  };
  absl::StatusOr<std::string> text = readFile(file, kMaxFileBytes);
  if (!text.ok()) {
    problems.push_back(std::string(text.status().message()));
    return;
  }
  std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  if (lines[0] != header)
    return report(1, "another machine's or compiler's results");
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty() && i + 1 == lines.size())
      break;
    std::vector<std::string> fields = absl::StrSplit(lines[i], '\t');
    if (fields.size() != 3 || fields[0] != hashOf(absl::StrCat(fields[1], "\t", fields[2])))
      report(i + 1, "a damaged line");
    else
      entries[fields[1]] = fields[2];
  }
}

std::optional<std::string> TuningCache::find(const std::string &key) const {
  for (const Entries *entries : {&added, &known})
    if (auto found = entries->find(key); found != entries->end())
      return found->second;
  return std::nullopt;
}

void TuningCache::add(const std::string &key, const std::string &value) { added[key] = value; }

absl::Status TuningCache::save() {
  if (file.empty() || added.empty())
    return absl::OkStatus();
  if (llvm::sys::fs::create_directories(directory))
    return formatError({directory, "", {}}, "a cache directory that can be made", "an error");
  Entries all;
  std::vector<std::string> ignored; // reported when the file was opened
  read(all, ignored);
  for (const auto &[key, value] : added)
    all[key] = value;
  std::string text = header + "\n";
  for (const auto &[key, value] : all) {
    std::string line = absl::StrCat(key, "\t", value);
    absl::StrAppend(&text, hashOf(line), "\t", line, "\n");
  }
  STC_ASSIGN_OR_RETURN(auto output, AtomicFile::create(file));
  STC_RETURN_IF_ERROR(output->write(text));
  STC_RETURN_IF_ERROR(output->commit());
  known = std::move(all);
  added.clear();
  return absl::OkStatus();
}
