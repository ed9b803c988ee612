// Where a model's functions run, as a session sees it: memory for one text, and the calls.
#ifndef STC_RUNTIME_EXECUTOR_H
#define STC_RUNTIME_EXECUTOR_H

#include "stc/Packing/Bundle.h"

#include "absl/types/span.h"

#include <cstdint>
#include <memory>

namespace stc {

class Model;

/// What one text needs besides the weights; bytes unless said otherwise. No size can overflow a sum
/// of all of them.
struct TextSizes {
  explicit TextSizes(const ModelSettings &settings);
  int64_t chunk;     // tokens that one prefill reads at most
  int64_t scoreRows; // rows of logits that one call of score writes at most
  uint64_t arena, keyCache, valueCache;
  uint64_t hidden; // [chunk][hiddenSize] floats
  int64_t columns; // of logits: vocabSize, or labelLogits of an encoder
  uint64_t logits; // [scoreRows][columns] floats
  uint64_t caches() const { return keyCache + valueCache; }
  uint64_t total() const { return arena + caches() + hidden + logits; }
};

/// Runs a model's functions for one text and keeps that text's caches. Tokens and positions are
/// the caller's to check. Errors are those of the device; on a processor nothing can fail.
class Executor {
public:
  virtual ~Executor() = default;
  /// Reads the first text of an encoder-decoder, at most ModelSettings::encoderContext tokens, in
  /// one call; the calls below attend to it from then on.
  virtual absl::Status encode(absl::Span<const int32_t> tokens) = 0;
  /// The same where the encoder reads rows of ModelSettings::featureSize numbers, two for each of
  /// its positions.
  virtual absl::Status encode(absl::Span<const float> features) = 0;
  /// Reads `tokens`, at most a chunk, the first of which stands at `position`, and leaves their
  /// hidden states for `score`.
  virtual absl::Status prefill(absl::Span<const int32_t> tokens, int64_t position) = 0;
  /// The same for a model that reads a row of ModelSettings::featureSize numbers with every token,
  /// from position 0 on.
  virtual absl::Status prefill(absl::Span<const int32_t> tokens, absl::Span<const float> rows) = 0;
  /// Reads one token and returns the logits of the one after it, valid until the next call.
  virtual absl::StatusOr<absl::Span<const float>> decode(int32_t token, int64_t position) = 0;
  /// The hidden states of the `tokens` tokens of the last prefill, [tokens][hiddenSize], valid
  /// until the next call.
  virtual absl::StatusOr<absl::Span<const float>> hiddenStates(int64_t tokens) = 0;
  /// The logits after `rows` tokens of the last prefill, the first of which is its token `first`
  /// and stands at `position`; at most TextSizes::scoreRows. Valid until the next call.
  virtual absl::StatusOr<absl::Span<const float>> score(int64_t first, int64_t rows,
                                                        int64_t position) = 0;
};

/// One that runs the model's variant on its thread pool. `model` must outlive it. Errors: memory
/// that the system refuses.
absl::StatusOr<std::unique_ptr<Executor>> createCpuExecutor(Model &model);

} // namespace stc

#endif // STC_RUNTIME_EXECUTOR_H
