// The text that a report measures quality on, and whether calibration has seen it.
#ifndef STC_LIB_DRIVER_REPORTTEXT_H
#define STC_LIB_DRIVER_REPORTTEXT_H

#include "ReportData.h"

#include "stc/Calibration/Sequences.h"
#include "stc/Dialect/STC/Utils/Recipe.h"

namespace stc {

/// Windows of a text, begun and ended as `eval` does it.
struct EvaluationText {
  ReportText facts;
  Sequences windows;
  WindowForm form;          // of each
  bool isOfEncoder = false; // each is a text with a vector
};

struct EvaluationTextOptions {
  std::string name; // "default", a path, or FILE.ids
  Recipe::Calibration calibration;
  int64_t searchWindows = 0; // sequences of the calibration text that a search has seen beside it
  int64_t length = 256;      // tokens of a window
  int64_t windows = 32;      // at most; they are evenly spread
  TextReader reader;
};

/// Chooses windows. Of the default text those that calibration has not seen, if there are any; of
/// another text all. Errors: a text that cannot be read or is shorter than a window, text for a
/// model without tokenizer, token ids outside the vocabulary.
absl::StatusOr<EvaluationText> readEvaluationText(const EvaluationTextOptions &options);

/// The windows numbered i * count / n for i < n.
Sequences spreadSequences(const Sequences &all, int64_t n);

/// Which sequences of `text` share `run` tokens in a row with one of `seen`, or, if they are
/// shorter than that, all of their tokens.
std::vector<bool> sharedRuns(const Sequences &text, const Sequences &seen, int64_t run = 32);

/// SHA-256 in hexadecimal digits.
std::string sha256(absl::Span<const uint8_t> bytes);

} // namespace stc

#endif // STC_LIB_DRIVER_REPORTTEXT_H
