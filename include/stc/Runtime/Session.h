// One text being read and written by a model: its position, and the calls into generated code.
#ifndef STC_RUNTIME_SESSION_H
#define STC_RUNTIME_SESSION_H

#include "stc/Runtime/Executor.h"
#include "stc/Runtime/Model.h"

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"

#include <memory>
#include <vector>

namespace stc {

/// Every call appends tokens to the text. A call that fails leaves the text as it was. Errors: a
/// token outside the vocabulary, more tokens than the context holds, a device that fails, or logits
/// asked of a model that has none (an encoder).
class Session {
public:
  /// `model` must outlive the session.
  static absl::StatusOr<std::unique_ptr<Session>> create(Model &model);

  /// Tokens so far.
  int64_t position() const { return length; }
  int64_t maxContext() const { return model.settings().maxContext; }
  Model &owner() { return model; }
  /// Begins a new text. That of an encoder-decoder begins with a call of `readSource`.
  void reset() {
    length = 0;
    isEncoded = false;
  }
  /// Forgets all tokens from `position` on, which is at most position().
  void rewind(int64_t position) { length = position; }

  /// Begins a new text of an encoder-decoder: its encoder reads these tokens, from 1 to
  /// ModelSettings::encoderContext, and all other calls are about what its decoder writes. Errors:
  /// a model of another kind too.
  absl::Status readSource(absl::Span<const int32_t> tokens);
  /// The same where the encoder reads features (ModelSettings::featureSize): rows of so many
  /// numbers, an even number of them, up to twice ModelSettings::encoderContext.
  absl::Status readSource(absl::Span<const float> features);
  /// Reads tokens, in chunks of at most ModelSettings::prefillChunk.
  absl::Status prefill(absl::Span<const int32_t> tokens);
  /// Reads one token and returns the logits of the one after it, valid until the next call.
  absl::StatusOr<absl::Span<const float>> decode(int32_t token);
  /// Reads one or more tokens and returns the logits after the last, valid until the next call.
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> tokens);
  /// Reads tokens and hands the logits of every position to `sink`, a few rows at a time: `first`
  /// is the index in `tokens` of the first row. An error from `sink` ends the call.
  using LogitsSink = absl::FunctionRef<absl::Status(int64_t first, absl::Span<const float> logits)>;
  absl::Status score(absl::Span<const int32_t> tokens, LogitsSink sink);

  /// Reads a whole text, at least one token, and returns its last hidden states,
  /// [tokens][hiddenSize], valid until the next call. The text is a new one: an encoder's tokens
  /// see those behind them too. Error: the model is no encoder.
  absl::StatusOr<absl::Span<const float>> encode(absl::Span<const int32_t> tokens);
  /// The vector of a text: `encode`, pooled and scaled as the model's settings say.
  absl::StatusOr<std::vector<float>> embed(absl::Span<const int32_t> tokens);

  /// Reads an image, ImageSettings::pixelNumbers() normalized numbers (see imagePixels), and
  /// returns the last hidden states of its positions, [positions][hiddenSize], valid until the next
  /// call: those of class tokens first. Errors: the model reads no images, another number of
  /// numbers, or some that are not finite.
  absl::StatusOr<absl::Span<const float>> encodeImage(absl::Span<const float> pixels);
  /// The vector of an image: `encodeImage`, pooled and scaled as the model's settings say.
  absl::StatusOr<std::vector<float>> embedImage(absl::Span<const float> pixels);
  /// The logit of every label of an image. Error: the model has no labels either.
  absl::StatusOr<std::vector<float>> classifyImage(absl::Span<const float> pixels);

private:
  std::vector<float> poolStates(absl::Span<const float> hidden) const;
  absl::Status beginEncoding(bool hasFeatures);
  explicit Session(Model &model) : model(model) {}
  absl::Status checkTokens(absl::Span<const int32_t> tokens) const;
  absl::Status scoreChunk(int64_t first, int64_t count, LogitsSink sink);

  Model &model;
  int64_t length = 0;
  bool isEncoded = false; // of an encoder-decoder: there is something to attend to
  std::unique_ptr<Executor> executor;
};

} // namespace stc

#endif // STC_RUNTIME_SESSION_H
