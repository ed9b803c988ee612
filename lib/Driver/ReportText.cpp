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

static void append(const Sequences &from, int64_t index, Sequences &to) {
  auto first = from.tokens.begin() + index * from.length;
  to.tokens.insert(to.tokens.end(), first, first + from.length);
  to.length = from.length;
  ++to.count;
}

Sequences spreadSequences(const Sequences &all, int64_t n) {
  n = std::min(n, all.count);
  Sequences result;
  result.length = all.length;
  result.available = all.count;
  for (int64_t i = 0; i < n; ++i)
    append(all, i * all.count / n, result);
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

/// All windows of a text. Ids get their BOS here, as `eval` gives it to them.
static absl::StatusOr<Sequences> readWindows(const EvaluationTextOptions &options,
                                             const Tokenizer *tokenizer, bool hasBos) {
  ErrorSite site{"", "--report-text", {}};
  bool areIds = absl::EndsWith(options.name, ".ids");
  if (!areIds && !tokenizer)
    return formatError(site, "a file of token ids (FILE.ids), as the model has no tokenizer",
                       options.name == "default" ? "none" : printable(options.name));
  int64_t length = options.length - (areIds && hasBos ? 1 : 0);
  absl::StatusOr<Sequences> read =
      readSequences(options.name, tokenizer, INT64_MAX, length, options.vocabulary, "evaluate");
  if (!read.ok())
    return absl::InvalidArgumentError(absl::StrCat("--report-text: ", read.status().message()));
  if (!areIds || !hasBos)
    return read;
  Sequences windows;
  windows.length = options.length;
  windows.count = windows.available = read->count;
  for (int64_t i = 0; i < read->count; ++i) {
    windows.tokens.push_back(int32_t(tokenizer->spec().bos));
    auto first = read->tokens.begin() + i * length;
    windows.tokens.insert(windows.tokens.end(), first, first + length);
  }
  return windows;
}

/// What calibration, and a search beside it, runs through the model.
static absl::StatusOr<Sequences> readSeen(const EvaluationTextOptions &options,
                                          const Tokenizer *tokenizer) {
  const Recipe::Calibration &calibration = options.calibration;
  if (options.searchWindows == 0)
    return readSequences(calibration.text, tokenizer, calibration.sequences, calibration.length,
                         options.vocabulary);
  STC_ASSIGN_OR_RETURN(SplitSequences split,
                       readSplitSequences(calibration.text, tokenizer, calibration.sequences,
                                          options.searchWindows, calibration.length,
                                          options.vocabulary));
  for (int64_t i = 0; i < split.heldOut.count; ++i)
    append(split.heldOut, i, split.calibration);
  return std::move(split.calibration);
}

absl::StatusOr<EvaluationText> readEvaluationText(const EvaluationTextOptions &options,
                                                  const Tokenizer *tokenizer) {
  EvaluationText text;
  text.hasBos = tokenizer && tokenizer->spec().addBos && tokenizer->spec().bos >= 0;
  STC_ASSIGN_OR_RETURN(Sequences all, readWindows(options, tokenizer, text.hasBos));
  ReportText &facts = text.facts;
  facts.name = options.name;
  STC_ASSIGN_OR_RETURN(facts.hash, hashOfText(options.name));
  facts.length = all.length;
  facts.available = all.count;
  std::vector<bool> shared(size_t(all.count));
  if (const Recipe::Calibration &calibration = options.calibration; !calibration.text.empty()) {
    STC_ASSIGN_OR_RETURN(Sequences seen, readSeen(options, tokenizer));
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
      append(all, i, fresh);
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
