// What encoder-decoders read and how their decoder begins, as options of commands.
#ifndef STC_LIB_RUNTIME_COMMANDS_ENCODERINPUT_H
#define STC_LIB_RUNTIME_COMMANDS_ENCODERINPUT_H

#include "stc/Runtime/Args.h"
#include "stc/Runtime/Session.h"

namespace stc {

/// `own` and the options --audio, --features, --decoder-tokens, --language and --task.
std::vector<Option> withEncoderOptions(std::vector<Option> own);
/// Whether --audio or --features says what the encoder reads.
bool readsFeatures(const Args &args);

/// What a decoder behind an encoder begins with.
struct DecoderBeginning {
  /// A token below 0 stands for the language of the sound, which is one of `languages`.
  std::vector<int32_t> tokens, languages;
};

/// What the decoder's text begins with: --decoder-tokens, or Whisper's prompt (Radford et al. 2022,
/// section 2.3) with the language and the task that --language and --task or the model say and
/// without timestamps, or the start token of the model; empty for a model of another kind. Errors:
/// options of other models, no start token, a language or task that the tokenizer does not have.
absl::StatusOr<DecoderBeginning> decoderBeginning(const Model &model, const Args &args);

/// Replaces the language in `beginning` by the one whose token the decoder, behind sound that the
/// encoder has read, finds the likeliest behind the first token; `session` is where it was. Says on
/// standard error which one that is unless `quiet`.
absl::Status detectLanguage(Session &session, DecoderBeginning &beginning, bool quiet);

/// What the encoder of an encoder-decoder reads: one text, or sound in windows one after another,
/// each as long as the model reads at once.
class EncoderInput {
public:
  /// The sound of --audio or the features of --features, or `tokens` where neither is given.
  /// Errors: a file that cannot be read or does not fit.
  static absl::StatusOr<EncoderInput> read(const Model &model, const Args &args,
                                           std::vector<int32_t> tokens);
  size_t windows() const;
  /// Error: sound longer than one window.
  absl::Status expectOneWindow() const;
  /// Lets the encoder of `session` read a window.
  absl::Status encode(Session &session, size_t window) const;

private:
  int64_t windowSamples = 0, featureSize = 0;
  std::string path;
  std::vector<int32_t> tokens;          // of a text
  std::vector<float> samples, features; // of sound, or of a spectrogram
};

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_ENCODERINPUT_H
