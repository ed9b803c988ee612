// The token sequences that compression is calibrated on.
#include "stc/Calibration/Sequences.h"

#include "stc/Support/File.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <algorithm>

namespace stc {

/// Token ids as text.
static absl::StatusOr<std::vector<int32_t>> parseIds(const std::string &path,
                                                     absl::string_view text, int64_t vocabulary) {
  std::vector<int32_t> ids;
  for (absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\r\n,"), absl::SkipEmpty())) {
    int32_t id = -1;
    if (!absl::SimpleAtoi(word, &id) || id < 0 || id >= vocabulary)
      return formatError({path, "", {}}, absl::StrCat("token ids from 0 to ", vocabulary - 1),
                         std::string(word.substr(0, 40)));
    ids.push_back(id);
  }
  return ids;
}

static bool areIds(const std::string &path) { return absl::EndsWith(path, ".ids"); }

absl::StatusOr<std::vector<int32_t>> readTokens(const std::string &path, const Tokenizer *tokenizer,
                                                int64_t vocabulary) {
  std::string text(path == "default" ? defaultCalibrationText() : "");
  if (path != "default") {
    STC_ASSIGN_OR_RETURN(text, readFile(path));
  }
  if (areIds(path))
    return parseIds(path, text, vocabulary);
  if (!tokenizer)
    return formatError({path, "", {}}, "a file of token ids (.ids), as the model has no tokenizer",
                       "text");
  Tokenizer::EncodeOptions options;
  options.addSpecial = false;
  return tokenizer->encode(text, options);
}

absl::StatusOr<Sequences> readSequences(const std::string &path, const Tokenizer *tokenizer,
                                        int64_t count, int64_t length, int64_t vocabulary,
                                        absl::string_view purpose) {
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, readTokens(path, tokenizer, vocabulary));
  bool addsBos = !areIds(path) && tokenizer->spec().addBos && tokenizer->spec().bos >= 0;
  int64_t own = length - addsBos; // tokens of the text in a sequence
  Sequences result;
  result.length = length;
  result.available = own > 0 ? int64_t(ids.size()) / own : 0;
  result.count = std::min(count, result.available);
  if (result.count < 1)
    return formatError({path, "", {}},
                       absl::StrCat("at least ", own, " tokens to ", purpose, " on"),
                       absl::StrCat(ids.size()));
  for (int64_t i = 0; i < result.count; ++i) {
    int64_t window = i * result.available / result.count;
    if (addsBos)
      result.tokens.push_back(int32_t(tokenizer->spec().bos));
    auto first = ids.begin() + window * own;
    result.tokens.insert(result.tokens.end(), first, first + own);
  }
  return result;
}

/// Adds the window of that number.
static void addWindow(const Sequences &from, int64_t window, Sequences &to) {
  auto first = from.tokens.begin() + window * from.length;
  to.tokens.insert(to.tokens.end(), first, first + from.length);
  to.length = from.length;
  ++to.count;
}

absl::StatusOr<SplitSequences> readSplitSequences(const std::string &path,
                                                  const Tokenizer *tokenizer, int64_t count,
                                                  int64_t heldOut, int64_t length,
                                                  int64_t vocabulary) {
  STC_ASSIGN_OR_RETURN(Sequences all,
                       readSequences(path, tokenizer, INT64_MAX, length, vocabulary));
  if (all.count < 2)
    return formatError({path, "", {}},
                       absl::StrCat("at least two sequences of ", length, " tokens"),
                       absl::StrCat(all.count));
  heldOut = std::clamp<int64_t>(heldOut, 1, (all.count + 3) / 4);
  count = std::min(count, all.count - heldOut);
  SplitSequences result;
  std::vector<int64_t> others;
  for (int64_t window = 0, next = 0; window < all.count; ++window) {
    if (next < count && window == next * all.count / count) {
      addWindow(all, window, result.calibration);
      ++next;
    } else {
      others.push_back(window);
    }
  }
  for (int64_t i = 0; i < heldOut; ++i)
    addWindow(all, others[size_t(i * int64_t(others.size()) / heldOut)], result.heldOut);
  result.calibration.available = result.heldOut.available = all.count;
  return result;
}

} // namespace stc
