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

/// What the decoder's text begins with: --decoder-tokens, or the tokens of Whisper's prompt as
/// --language and --task say (Radford et al. 2022, section 2.3), or the start token of the model;
/// empty for a model of another kind. Errors: options of other models, no start token, a language
/// or task that the tokenizer does not have.
absl::StatusOr<std::vector<int32_t>> decoderTokens(const Model &model, const Args &args);

/// Lets the encoder read the features of --audio or --features, or `tokens` where neither is given.
/// Errors: a file that cannot be read or does not fit, sound longer than the model can read.
absl::Status encodeInput(Session &session, const Args &args, absl::Span<const int32_t> tokens);

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_ENCODERINPUT_H
