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

void Sequences::append(const Sequences &from, int64_t sequence) {
  auto first = from.tokens.begin() + sequence * from.length;
  tokens.insert(tokens.end(), first, first + from.length);
  length = from.length;
  sourceLength = from.sourceLength;
  ++count;
}

Sequences Sequences::slice(int64_t first, int64_t n) const {
  Sequences result;
  for (int64_t i = first; i < first + n; ++i)
    result.append(*this, i);
  result.available = available;
  return result;
}

WindowForm TextReader::windowForm(int64_t length, bool isOfIds) const {
  WindowForm form;
  form.length = length;
  form.decoderStart = decoderStart;
  if (isOfIds || !tokenizer)
    return form;
  const TokenizerSpec &rules = tokenizer->spec();
  form.bos = rules.addBos ? rules.bos : -1;
  form.end = rules.addEos && (isEncoder || decoderStart >= 0) ? rules.eos : -1;
  return form;
}

absl::StatusOr<Sequences> readSequences(const std::string &path, const TextReader &reader,
                                        int64_t count, int64_t length, absl::string_view purpose,
                                        bool marksIds) {
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                       readTokens(path, reader.tokenizer, reader.vocabulary));
  WindowForm form = reader.windowForm(length, areIds(path) && !marksIds);
  int64_t own = form.ownTokens();
  Sequences result;
  result.length = length;
  result.sourceLength = form.sourceLength();
  result.available = own > 0 ? int64_t(ids.size()) / own : 0;
  result.count = std::min(count, result.available);
  if (result.count < 1)
    return formatError({path, "", {}},
                       own > 0 ? absl::StrCat("at least ", own, " tokens to ", purpose, " on")
                               : "longer sequences",
                       own > 0 ? absl::StrCat(ids.size()) : absl::StrCat(length, " tokens"));
  for (int64_t i = 0; i < result.count; ++i) {
    int64_t window = i * result.available / result.count;
    form.append(absl::MakeConstSpan(ids).subspan(size_t(window * own), size_t(own)), result.tokens);
  }
  return result;
}

absl::StatusOr<SplitSequences> readSplitSequences(const std::string &path, const TextReader &reader,
                                                  int64_t count, int64_t heldOut, int64_t length) {
  STC_ASSIGN_OR_RETURN(Sequences all, readSequences(path, reader, INT64_MAX, length));
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
      result.calibration.append(all, window);
      ++next;
    } else {
      others.push_back(window);
    }
  }
  for (int64_t i = 0; i < heldOut; ++i)
    result.heldOut.append(all, others[size_t(i * int64_t(others.size()) / heldOut)]);
  result.calibration.available = result.heldOut.available = all.count;
  return result;
}

} // namespace stc
