// The token sequences that compression is calibrated on.
#ifndef STC_CALIBRATION_SEQUENCES_H
#define STC_CALIBRATION_SEQUENCES_H

#include "stc/Support/EvalWindows.h"
#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Sequences of equal length, one after the other.
struct Sequences {
  std::vector<int32_t> tokens; // [count][length]
  int64_t count = 0, length = 0;
  int64_t available = 0; // sequences the text has; at least `count`
  /// Of an encoder-decoder: the first so many tokens of a sequence are what its encoder reads, and
  /// the others what its decoder does.
  int64_t sourceLength = 0;

  /// Tokens of a sequence that a decoder, or an encoder alone, reads.
  int64_t mainLength() const { return length - sourceLength; }
  /// Token `at` of those of sequence `sequence`.
  int32_t mainToken(int64_t sequence, int64_t at) const {
    return tokens[size_t(sequence * length + sourceLength + at)];
  }
  /// Adds one sequence of `from`, whose lengths this takes.
  void append(const Sequences &from, int64_t sequence);
  /// `n` sequences from `first` on.
  Sequences slice(int64_t first, int64_t n) const;
};

/// Who reads a text, and how.
struct TextReader {
  const Tokenizer *tokenizer = nullptr; // null: the text has to be token ids
  int64_t vocabulary = 0;
  bool isEncoder = false;    // texts end with EOS if the tokenizer adds one
  int64_t decoderStart = -1; // of an encoder-decoder: the token that its decoder begins with

  /// How windows of `length` tokens begin and end; windows of token ids have no marks but
  /// `decoderStart`.
  WindowForm windowForm(int64_t length, bool isOfIds) const;
};

/// The text that comes with stc, public-domain prose; the path "default" stands for it.
absl::string_view defaultCalibrationText();

/// The tokens of the text of `path`, without special ones. A file whose name ends in `.ids` holds
/// token ids instead, separated by blanks, commas or newlines; then `tokenizer` may be null.
/// Errors: a file that cannot be read, a text without a tokenizer, ids outside [0, vocabulary).
absl::StatusOr<std::vector<int32_t>> readTokens(const std::string &path, const Tokenizer *tokenizer,
                                                int64_t vocabulary);

/// Cuts the tokens of `path` into windows of `length` tokens, as `reader` has them, and takes up to
/// `count` of them, evenly spread. With `marksIds` those of token ids are marked as those of a
/// text. Errors: as readTokens, and fewer tokens than one sequence (`purpose` says what they are
/// for).
absl::StatusOr<Sequences> readSequences(const std::string &path, const TextReader &reader,
                                        int64_t count, int64_t length,
                                        absl::string_view purpose = "calibrate",
                                        bool marksIds = false);

/// `text` in two: `calibration` is what readSequences gives for `count` sequences (or for fewer, if
/// no `heldOut` of them would be left), `heldOut` so many of the others, evenly spread.
struct SplitSequences {
  Sequences calibration, heldOut;
};
/// Reads a text's sequences and splits them. Errors: as readSequences, and a text of fewer than two
/// sequences.
absl::StatusOr<SplitSequences> readSplitSequences(const std::string &path, const TextReader &reader,
                                                  int64_t count, int64_t heldOut, int64_t length);

} // namespace stc

#endif // STC_CALIBRATION_SEQUENCES_H
