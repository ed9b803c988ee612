// logits: the model's raw output at every position, as a NumPy file.
#include "EncoderInput.h"

#include "stc/Runtime/Commands.h"
#include "stc/Runtime/Npy.h"
#include "stc/Runtime/Session.h"

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "logits",
      "",
      "Write the logits after every token of a text to a .npy file.",
      "The file holds float32 [tokens, vocabulary]: row i scores the token that follows the\n"
      "first i + 1 tokens. Of an encoder, which has no logits, it holds the last hidden states,\n"
      "[tokens, hidden size]. Nothing is added to the ids given.\n"
      "\n"
      "The encoder of an encoder-decoder reads these tokens, and the file has a row for every one\n"
      "of the decoder's.",
      withModelOptions(
          withEncoderOptions({{"--tokens", "", "IDS", "Token ids, separated by commas or spaces."},
                              {"--tokens-file", "", "FILE", "Read the token ids from a file."},
                              {"--output", "-o", "FILE", "Where to write (required)."}})),
      {"logits --tokens 1,403,407 -o logits.npy"}};
  return spec;
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(
      args.expectOneOf({"--tokens", "--tokens-file", "--audio", "--features"}, true));
  STC_RETURN_IF_ERROR(args.expectOneOf({"--output"}, true));
  std::string path = args.text("--output");
  STC_RETURN_IF_ERROR(checkWritable(path));
  std::vector<int32_t> tokens;
  if (!readsFeatures(args)) {
    STC_ASSIGN_OR_RETURN(tokens, args.has("--tokens") ? args.tokenIds("--tokens")
                                                      : readTokenFile(args.text("--tokens-file")));
  }
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> written, decoderTokens(*model, args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  if (!written.empty()) {
    STC_RETURN_IF_ERROR(encodeInput(*session, args, tokens));
    tokens = std::move(written);
  }
  if (model->settings().kind == ModelKind::Encoder) {
    STC_ASSIGN_OR_RETURN(absl::Span<const float> hidden, session->encode(tokens));
    STC_ASSIGN_OR_RETURN(NpyWriter writer, NpyWriter::create(path, int64_t(tokens.size()),
                                                             model->settings().hiddenSize));
    STC_RETURN_IF_ERROR(writer.write(hidden));
    return writer.commit();
  }
  STC_ASSIGN_OR_RETURN(NpyWriter writer, NpyWriter::create(path, int64_t(tokens.size()),
                                                           model->settings().vocabSize));
  STC_RETURN_IF_ERROR(session->score(
      tokens, [&](int64_t, absl::Span<const float> logits) { return writer.write(logits); }));
  return writer.commit();
}

} // namespace

Command logitsCommand() { return {&spec(), execute}; }

} // namespace stc
