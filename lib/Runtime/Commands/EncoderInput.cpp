// What encoder-decoders read and how their decoder begins, as options of commands.
#include "EncoderInput.h"

#include "stc/Runtime/LogMel.h"
#include "stc/Runtime/Npy.h"
#include "stc/Runtime/Wav.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace stc {

namespace {

/// Whisper's vocabularies of one language are smaller, and have no tokens of languages and tasks.
constexpr int64_t kManyLanguages = 51865;

/// The tokens that Whisper's decoder begins with, without timestamps.
absl::StatusOr<std::vector<int32_t>> soundPrompt(const Model &model, const Tokenizer &tokenizer,
                                                 const Args &args) {
  std::vector<std::pair<std::string, std::string>> parts{{"", "startoftranscript"}};
  if (model.settings().vocabSize >= kManyLanguages) {
    parts.emplace_back("--language", args.text("--language", "en"));
    parts.emplace_back("--task", args.text("--task", "transcribe"));
  }
  parts.emplace_back("", "notimestamps");
  std::vector<int32_t> ids;
  for (const auto &[option, name] : parts) {
    Tokenizer::EncodeOptions encoding;
    encoding.addSpecial = false;
    encoding.parseSpecial = true;
    std::string text = absl::StrCat("<|", name, "|>");
    absl::StatusOr<std::vector<int32_t>> own = tokenizer.encode(text, encoding);
    // A text that is no special token has many tokens, or none that hold its characters.
    if (!own.ok() || own->size() != 1)
      return args.error(option.empty() ? "--decoder-tokens" : option,
                        option.empty() ? "ids, as the tokenizer has none of Whisper's tokens"
                                       : "one that the tokenizer has a token for, as in en",
                        option.empty() ? absl::StrCat("no ", text) : name);
    ids.push_back(own->front());
  }
  return ids;
}

/// [frames][bins] of a file that holds [bins, frames], or [1, bins, frames], as transformers'
/// input_features.
absl::StatusOr<std::vector<float>> readFeatures(const std::string &path, int64_t bins) {
  STC_ASSIGN_OR_RETURN(NpyArray array, readNpy(path));
  std::vector<int64_t> shape = array.shape;
  if (shape.size() == 3 && shape.front() == 1)
    shape.erase(shape.begin());
  if (shape.size() != 2 || shape[0] != bins)
    return formatError({path, "shape", {}}, absl::StrCat("[", bins, ", frames]"),
                       shapeText(array.shape));
  std::vector<float> rows(array.values.size());
  int64_t frames = shape[1];
  for (int64_t bin = 0; bin < bins; ++bin)
    for (int64_t frame = 0; frame < frames; ++frame)
      rows[size_t(frame * bins + bin)] = array.values[size_t(bin * frames + frame)];
  return rows;
}

/// The spectrogram of a file, filled up with silence to all that the model reads.
absl::StatusOr<std::vector<float>> readSound(const std::string &path,
                                             const ModelSettings &settings) {
  STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(path));
  STC_ASSIGN_OR_RETURN(std::vector<float> samples, parseWav(file->bytes(), kSampleRate, path));
  int64_t frames = 2 * settings.encoderContext;
  if (int64_t(samples.size()) > frames * kHopSamples)
    return formatError({path, "", {}},
                       absl::StrFormat("at most %g s of sound, which this model reads at once",
                                       double(frames * kHopSamples) / double(kSampleRate)),
                       absl::StrFormat("%g s", double(samples.size()) / double(kSampleRate)));
  return logMelSpectrogram(samples, frames, settings.featureSize);
}

} // namespace

std::vector<Option> withEncoderOptions(std::vector<Option> own) {
  own.push_back(
      {"--audio", "", "FILE", "Of Whisper: what its encoder reads, a WAV file of 16 kHz."});
  own.push_back({"--features", "", "FILE",
                 "The same as a .npy file of float32 [features, frames]: a log-mel spectrogram."});
  own.push_back(
      {"--decoder-tokens", "", "IDS",
       "Of an encoder-decoder: what the decoder's text begins with (default: its start token,\n"
       "or Whisper's prompt for --language and --task)."});
  own.push_back({"--language", "", "CODE", "Of Whisper: what is spoken (default: en)."});
  own.push_back({"--task", "", "TASK", "Of Whisper: transcribe (the default) or translate."});
  return own;
}

bool readsFeatures(const Args &args) { return args.has("--audio") || args.has("--features"); }

absl::StatusOr<std::vector<int32_t>> decoderTokens(const Model &model, const Args &args) {
  const ModelSettings &settings = model.settings();
  bool isSound = settings.featureSize > 0;
  for (const char *option : {"--audio", "--features", "--language", "--task", "--decoder-tokens"}) {
    bool isOfAll = absl::string_view(option) == "--decoder-tokens";
    if (!args.has(option) || isSound || (isOfAll && settings.kind == ModelKind::EncoderDecoder))
      continue;
    return args.error(option, isOfAll ? "an encoder-decoder" : "a model that reads sound",
                      absl::StrCat("one of kind ", modelKindName(settings.kind),
                                   isOfAll ? "" : " that reads tokens"));
  }
  if (settings.kind != ModelKind::EncoderDecoder)
    return std::vector<int32_t>();
  bool hasPrompt = isSound && model.tokenizer() && !args.has("--decoder-tokens");
  bool hasLanguages = hasPrompt && settings.vocabSize >= kManyLanguages;
  for (const char *option : {"--language", "--task"})
    if (args.has(option) && !hasLanguages)
      return args.error(option, "a tokenizer of many languages, and no --decoder-tokens",
                        args.has("--decoder-tokens") ? "--decoder-tokens" : "another tokenizer");
  if (args.has("--decoder-tokens"))
    return args.tokenIds("--decoder-tokens");
  if (hasPrompt)
    return soundPrompt(model, *model.tokenizer(), args);
  if (settings.decoderStart < 0)
    return args.error("--decoder-tokens",
                      "the token that the decoder begins with (the model was compiled without one)",
                      "none");
  return std::vector<int32_t>{int32_t(settings.decoderStart)};
}

absl::Status encodeInput(Session &session, const Args &args, absl::Span<const int32_t> tokens) {
  const ModelSettings &settings = session.owner().settings();
  if (!readsFeatures(args))
    return session.readSource(tokens);
  absl::StatusOr<std::vector<float>> features =
      args.has("--audio") ? readSound(args.text("--audio"), settings)
                          : readFeatures(args.text("--features"), settings.featureSize);
  STC_RETURN_IF_ERROR(features.status());
  return session.readSource(absl::MakeConstSpan(*features));
}

} // namespace stc
