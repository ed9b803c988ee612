// The text that a report measures quality on, and whether calibration has seen it.
#include "ReportText.h"

#include "stc/Packing/Bundle.h"
#include "stc/Support/File.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

#include <algorithm>
#include <unordered_set>

namespace stc {

std::string sha256(absl::Span<const uint8_t> bytes) {
  std::array<uint8_t, 32> hash = llvm::SHA256::hash({bytes.data(), bytes.size()});
  return llvm::toHex(hash, /*LowerCase=*/true);
}

static absl::StatusOr<std::string> hashOfText(const std::string &name) {
  if (name == "default") {
    absl::string_view text = defaultCalibrationText();
    return sha256({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  }
  STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(name));
  return sha256(file->bytes());
}

Sequences spreadSequences(const Sequences &all, int64_t n) {
  n = std::min(n, all.count);
  Sequences result;
  for (int64_t i = 0; i < n; ++i)
    result.append(all, i * all.count / n);
  result.length = all.length;
  result.available = all.count;
  return result;
}

std::vector<bool> sharedRuns(const Sequences &text, const Sequences &seen, int64_t run) {
  std::vector<bool> shared(size_t(text.count));
  run = std::min({run, text.length, seen.length});
  if (run < 1)
    return shared;
  auto hashAt = [run](const Sequences &from, int64_t token) {
    return hashBytes({reinterpret_cast<const uint8_t *>(from.tokens.data() + token),
                      size_t(run) * sizeof(int32_t)});
  };
  std::unordered_set<uint64_t> runs;
  for (int64_t i = 0; i < seen.count; ++i)
    for (int64_t at = 0; at + run <= seen.length; ++at)
      runs.insert(hashAt(seen, i * seen.length + at));
  for (int64_t i = 0; i < text.count; ++i)
    for (int64_t at = 0; at + run <= text.length && !shared[size_t(i)]; ++at)
      shared[size_t(i)] = runs.count(hashAt(text, i * text.length + at)) > 0;
  return shared;
}

/// All windows of a text. Those of ids are marked as `eval` marks them.
static absl::StatusOr<Sequences> readWindows(const EvaluationTextOptions &options) {
  if (!absl::EndsWith(options.name, ".ids") && !options.reader.tokenizer)
    return formatError({"", "--report-text", {}},
                       "a file of token ids (FILE.ids), as the model has no tokenizer",
                       options.name == "default" ? "none" : printable(options.name));
  absl::StatusOr<Sequences> read = readSequences(options.name, options.reader, INT64_MAX,
                                                 options.length, "evaluate", /*marksIds=*/true);
  if (!read.ok())
    return absl::InvalidArgumentError(absl::StrCat("--report-text: ", read.status().message()));
  return read;
}

/// What calibration, and a search beside it, runs through the model.
static absl::StatusOr<Sequences> readSeen(const EvaluationTextOptions &options) {
  const Recipe::Calibration &calibration = options.calibration;
  if (options.searchWindows == 0)
    return readSequences(calibration.text, options.reader, calibration.sequences,
                         calibration.length);
  STC_ASSIGN_OR_RETURN(SplitSequences split,
                       readSplitSequences(calibration.text, options.reader, calibration.sequences,
                                          options.searchWindows, calibration.length));
  for (int64_t i = 0; i < split.heldOut.count; ++i)
    split.calibration.append(split.heldOut, i);
  return std::move(split.calibration);
}

absl::StatusOr<EvaluationText> readEvaluationText(const EvaluationTextOptions &options) {
  EvaluationText text;
  text.form = options.reader.windowForm(options.length, /*isOfIds=*/false);
  text.isOfEncoder = options.reader.isEncoder;
  STC_ASSIGN_OR_RETURN(Sequences all, readWindows(options));
  ReportText &facts = text.facts;
  facts.name = options.name;
  STC_ASSIGN_OR_RETURN(facts.hash, hashOfText(options.name));
  facts.length = all.length;
  facts.available = all.count;
  std::vector<bool> shared(size_t(all.count));
  if (const Recipe::Calibration &calibration = options.calibration; !calibration.text.empty()) {
    STC_ASSIGN_OR_RETURN(Sequences seen, readSeen(options));
    facts.calibration = calibration.text;
    STC_ASSIGN_OR_RETURN(facts.calibrationHash, hashOfText(calibration.text));
    facts.calibrationSequences = seen.count;
    facts.calibrationLength = seen.length;
    shared = sharedRuns(all, seen);
  }
  Sequences fresh;
  fresh.length = all.length;
  for (int64_t i = 0; i < all.count; ++i)
    if (!shared[size_t(i)])
      fresh.append(all, i);
  if (options.name == "default" && fresh.count > 0) {
    text.windows = spreadSequences(fresh, options.windows);
  } else {
    text.windows = spreadSequences(all, options.windows);
    for (int64_t i = 0; i < text.windows.count; ++i)
      facts.seen += shared[size_t(i * all.count / text.windows.count)];
  }
  facts.windows = text.windows.count;
  return text;
}

} // namespace stc
