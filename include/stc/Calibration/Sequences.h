// The token sequences that compression is calibrated on.
#ifndef STC_CALIBRATION_SEQUENCES_H
#define STC_CALIBRATION_SEQUENCES_H

#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Sequences of equal length, one after the other.
struct Sequences {
  std::vector<int32_t> tokens; // [count][length]
  int64_t count = 0, length = 0;
  int64_t available = 0; // sequences the text has; at least `count`
};

/// The text that comes with stc, public-domain prose; the path "default" stands for it.
absl::string_view defaultCalibrationText();

/// The tokens of the text of `path`, without special ones. A file whose name ends in `.ids` holds
/// token ids instead, separated by blanks, commas or newlines; then `tokenizer` may be null.
/// Errors: a file that cannot be read, a text without a tokenizer, ids outside [0, vocabulary).
absl::StatusOr<std::vector<int32_t>> readTokens(const std::string &path, const Tokenizer *tokenizer,
                                                int64_t vocabulary);

/// Cuts the tokens of `path` into windows of `length` tokens, each beginning with the BOS token if
/// the tokenizer adds one and `path` is a text, and takes up to `count` of them, evenly spread.
/// Errors: as readTokens, and fewer tokens than one sequence (`purpose` says what they are for).
absl::StatusOr<Sequences> readSequences(const std::string &path, const Tokenizer *tokenizer,
                                        int64_t count, int64_t length, int64_t vocabulary,
                                        absl::string_view purpose = "calibrate");

/// `text` in two: `calibration` is what readSequences gives for `count` sequences (or for fewer, if
/// no `heldOut` of them would be left), `heldOut` so many of the others, evenly spread.
struct SplitSequences {
  Sequences calibration, heldOut;
};
/// Reads a text's sequences and splits them. Errors: as readSequences, and a text of fewer than two
/// sequences.
absl::StatusOr<SplitSequences> readSplitSequences(const std::string &path,
                                                  const Tokenizer *tokenizer, int64_t count,
                                                  int64_t heldOut, int64_t length,
                                                  int64_t vocabulary);

} // namespace stc

#endif // STC_CALIBRATION_SEQUENCES_H
