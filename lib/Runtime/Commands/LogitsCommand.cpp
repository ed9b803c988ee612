// logits: the model's raw output at every position, as a NumPy file.
#include "EncoderInput.h"
#include "ImageInput.h"

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
      "[tokens, hidden size]. Nothing is added to the ids given. Of a vision transformer, it is a\n"
      "row for CLS, for DeiT's distillation token, and for every patch of an image.\n"
      "\n"
      "The encoder of an encoder-decoder reads these tokens, and the file has a row for every one\n"
      "of the decoder's.",
      withModelOptions(
          withEncoderOptions({{"--tokens", "", "IDS", "Token ids, separated by commas or spaces."},
                              {"--tokens-file", "", "FILE", "Read the token ids from a file."},
                              imageOption(/*repeats=*/false),
                              {"--output", "-o", "FILE", "Where to write (required)."}})),
      {"logits --tokens 1,403,407 -o logits.npy"}};
  return spec;
}

/// Writes the hidden states of an encoder's text or image.
absl::Status writeStates(const std::string &path, absl::Span<const float> hidden, int64_t columns) {
  STC_ASSIGN_OR_RETURN(NpyWriter writer,
                       NpyWriter::create(path, int64_t(hidden.size()) / columns, columns));
  STC_RETURN_IF_ERROR(writer.write(hidden));
  return writer.commit();
}

/// The hidden states of what the options say, by an encoder.
absl::StatusOr<absl::Span<const float>> encode(Session &session, const Args &args,
                                               absl::Span<const int32_t> tokens) {
  const Model &model = session.owner();
  bool hasFeatures = args.has("--features");
  if (!args.has("--image") && !(hasFeatures && model.image()))
    return session.encode(tokens);
  STC_ASSIGN_OR_RETURN(std::vector<float> pixels, hasFeatures
                                                      ? readPixels(model, args.text("--features"))
                                                      : readImage(model, args.text("--image")));
  return session.encodeImage(pixels);
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(
      args.expectOneOf({"--tokens", "--tokens-file", "--audio", "--features", "--image"}, true));
  STC_RETURN_IF_ERROR(args.expectOneOf({"--output"}, true));
  std::string path = args.text("--output");
  STC_RETURN_IF_ERROR(checkWritable(path));
  std::vector<int32_t> tokens;
  if (!readsFeatures(args) && !args.has("--image")) {
    STC_ASSIGN_OR_RETURN(tokens, args.has("--tokens") ? args.tokenIds("--tokens")
                                                      : readTokenFile(args.text("--tokens-file")));
  }
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  if (args.has("--image"))
    STC_RETURN_IF_ERROR(model->require(Ability::See));
  STC_ASSIGN_OR_RETURN(DecoderBeginning written, decoderBeginning(*model, args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  if (!written.tokens.empty()) {
    STC_ASSIGN_OR_RETURN(EncoderInput input, EncoderInput::read(*model, args, std::move(tokens)));
    STC_RETURN_IF_ERROR(input.expectOneWindow());
    STC_RETURN_IF_ERROR(input.encode(*session, 0));
    STC_RETURN_IF_ERROR(detectLanguage(*session, written, /*quiet=*/false));
    tokens = std::move(written.tokens);
  }
  if (model->settings().kind == ModelKind::Encoder) {
    STC_ASSIGN_OR_RETURN(absl::Span<const float> hidden, encode(*session, args, tokens));
    return writeStates(path, hidden, model->settings().hiddenSize);
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
