// What encoder-decoders read and how their decoder begins, as options of commands.
#include "EncoderInput.h"

#include "stc/Runtime/LogMel.h"
#include "stc/Runtime/Npy.h"
#include "stc/Runtime/Wav.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cstdio>

namespace stc {

namespace {

/// Whisper's vocabularies of one language are smaller, and have no tokens of languages and tasks.
constexpr int64_t kManyLanguages = 51865;

/// The token that is called <|name|>, or -1.
int32_t specialToken(const Tokenizer &tokenizer, absl::string_view name) {
  Tokenizer::EncodeOptions encoding;
  encoding.addSpecial = false;
  encoding.parseSpecial = true;
  absl::StatusOr<std::vector<int32_t>> ids =
      tokenizer.encode(absl::StrCat("<|", name, "|>"), encoding);
  // A text that is no special token has many tokens, or none that hold its characters.
  return ids.ok() && ids->size() == 1 ? ids->front() : -1;
}

/// The tokens of languages: as the model says, or in Whisper's vocabularies of many languages those
/// between the one that begins a transcript and the ones of tasks.
std::vector<int32_t> languageTokens(const Model &model) {
  const ModelSettings &settings = model.settings();
  std::vector<int32_t> tokens(settings.languageTokens.begin(), settings.languageTokens.end());
  if (!tokens.empty() || !model.tokenizer() || settings.vocabSize < kManyLanguages)
    return tokens;
  int32_t begin = specialToken(*model.tokenizer(), "startoftranscript"),
          end = std::min(specialToken(*model.tokenizer(), "translate"),
                         specialToken(*model.tokenizer(), "transcribe"));
  for (int32_t token = begin + 1; begin >= 0 && token < end; ++token)
    tokens.push_back(token);
  return tokens;
}

/// Puts the token of an option's value, or of `name` where it is not given, into `token`.
absl::Status takeOption(const Tokenizer *tokenizer, const Args &args, const std::string &option,
                        const std::string &name, int32_t &token) {
  std::string value = args.text(option, name);
  token = tokenizer ? specialToken(*tokenizer, value) : -1;
  if (token < 0)
    return args.error(option,
                      absl::StrCat("one that the tokenizer has a token for, as in ",
                                   option == "--language" ? "en" : "transcribe"),
                      value);
  return absl::OkStatus();
}

/// Whisper's prompt, without timestamps.
absl::StatusOr<DecoderBeginning> soundPrompt(const Model &model, const Args &args) {
  const Tokenizer *tokenizer = model.tokenizer();
  DecoderBeginning beginning;
  beginning.languages = languageTokens(model);
  const std::vector<int64_t> &own = model.settings().forcedTokens;
  std::vector<int32_t> forced(own.begin(), own.end());
  bool hasLanguages = !beginning.languages.empty() && tokenizer;
  for (const char *option : {"--language", "--task"})
    if (args.has(option) && !hasLanguages)
      return args.error(option, "a tokenizer of many languages, and no --decoder-tokens",
                        "another tokenizer");
  auto start = int32_t(model.settings().decoderStart);
  if (tokenizer)
    start = specialToken(*tokenizer, "startoftranscript");
  if (start < 0)
    return args.error("--decoder-tokens", "ids, as the tokenizer has none of Whisper's tokens",
                      "no <|startoftranscript|>");
  if (hasLanguages) {
    constexpr size_t languageAt = 0, taskAt = 1;
    if (forced.empty())
      forced.push_back(-1);
    if (args.has("--language")) {
      STC_RETURN_IF_ERROR(takeOption(tokenizer, args, "--language", "", forced[languageAt]));
      const std::vector<int32_t> &known = beginning.languages;
      if (std::find(known.begin(), known.end(), forced[languageAt]) == known.end())
        return args.error("--language", "one that the tokenizer has a token for, as in en",
                          args.text("--language"));
    }
    bool hasTask = forced.size() > taskAt;
    forced.resize(std::max(forced.size(), taskAt + 1));
    if (args.has("--task") || !hasTask)
      STC_RETURN_IF_ERROR(takeOption(tokenizer, args, "--task", "transcribe", forced[taskAt]));
  }
  if (std::find(forced.begin(), forced.end(), -1) != forced.end() && beginning.languages.empty())
    return args.error("--decoder-tokens",
                      "ids, as the model wants a language and has no tokens of languages", "none");
  beginning.tokens.push_back(start);
  beginning.tokens.insert(beginning.tokens.end(), forced.begin(), forced.end());
  int32_t last = tokenizer ? specialToken(*tokenizer, "notimestamps") : -1;
  if (last >= 0 && std::find(forced.begin(), forced.end(), last) == forced.end())
    beginning.tokens.push_back(last);
  return beginning;
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

} // namespace

std::vector<Option> withEncoderOptions(std::vector<Option> own) {
  own.push_back(
      {"--audio", "", "FILE", "Of Whisper: what its encoder reads, a WAV file of 16 kHz."});
  own.push_back(
      {"--features", "", "FILE",
       "The same as a .npy file of float32 [features, frames]: a log-mel spectrogram. Of a\n"
       "vision transformer: normalized pixels, [3, height, width]."});
  own.push_back(
      {"--decoder-tokens", "", "IDS",
       "Of an encoder-decoder: what the decoder's text begins with (default: its start token,\n"
       "or Whisper's prompt for --language and --task)."});
  own.push_back({"--language", "", "CODE",
                 "Of Whisper: what is spoken, as in en (default: what the model hears)."});
  own.push_back({"--task", "", "TASK", "Of Whisper: transcribe (the default) or translate."});
  return own;
}

bool readsFeatures(const Args &args) { return args.has("--audio") || args.has("--features"); }

absl::StatusOr<DecoderBeginning> decoderBeginning(const Model &model, const Args &args) {
  const ModelSettings &settings = model.settings();
  bool isSound = settings.featureSize > 0 && !model.image();
  for (const char *option : {"--audio", "--features", "--language", "--task", "--decoder-tokens"}) {
    bool isOfAll = absl::string_view(option) == "--decoder-tokens";
    if (absl::string_view(option) == "--features" && model.image())
      continue;
    if (!args.has(option) || isSound || (isOfAll && settings.kind == ModelKind::EncoderDecoder))
      continue;
    return args.error(option, isOfAll ? "an encoder-decoder" : "a model that reads sound",
                      absl::StrCat("one of kind ", modelKindName(settings.kind),
                                   isOfAll ? "" : " that reads tokens"));
  }
  DecoderBeginning beginning;
  if (settings.kind != ModelKind::EncoderDecoder)
    return beginning;
  if (args.has("--decoder-tokens")) {
    for (const char *option : {"--language", "--task"})
      if (args.has(option))
        return args.error(option, "a tokenizer of many languages, and no --decoder-tokens",
                          "--decoder-tokens");
    STC_ASSIGN_OR_RETURN(beginning.tokens, args.tokenIds("--decoder-tokens"));
    return beginning;
  }
  if (isSound && (model.tokenizer() || settings.decoderStart >= 0))
    return soundPrompt(model, args);
  if (settings.decoderStart < 0)
    return args.error("--decoder-tokens",
                      "the token that the decoder begins with (the model was compiled without one)",
                      "none");
  beginning.tokens.push_back(int32_t(settings.decoderStart));
  return beginning;
}

absl::Status detectLanguage(Session &session, DecoderBeginning &beginning, bool quiet) {
  auto unknown = std::find(beginning.tokens.begin(), beginning.tokens.end(), -1);
  if (unknown == beginning.tokens.end())
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(absl::Span<const float> logits, session.feed({beginning.tokens.data(), 1}));
  int32_t best = beginning.languages.front();
  for (int32_t token : beginning.languages)
    if (logits[size_t(token)] > logits[size_t(best)])
      best = token;
  session.rewind(0);
  *unknown = best;
  if (quiet)
    return absl::OkStatus();
  const Tokenizer *tokenizer = session.owner().tokenizer();
  absl::StatusOr<std::string> name =
      tokenizer ? tokenizer->decode({&best, 1}, /*keepSpecial=*/true) : absl::StrCat(best);
  absl::FPrintF(stderr, "language: %s\n",
                name.ok() ? absl::StripSuffix(absl::StripPrefix(*name, "<|"), "|>") : "");
  return absl::OkStatus();
}

absl::StatusOr<EncoderInput> EncoderInput::read(const Model &model, const Args &args,
                                                std::vector<int32_t> tokens) {
  const ModelSettings &settings = model.settings();
  EncoderInput input;
  input.tokens = std::move(tokens);
  input.featureSize = settings.featureSize;
  input.windowSamples = 2 * settings.encoderContext * kHopSamples;
  if (args.has("--audio")) {
    input.path = args.text("--audio");
    STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(input.path));
    STC_ASSIGN_OR_RETURN(input.samples, parseWav(file->bytes(), kSampleRate, input.path));
  } else if (args.has("--features")) {
    STC_ASSIGN_OR_RETURN(input.features,
                         readFeatures(args.text("--features"), settings.featureSize));
  }
  return input;
}

size_t EncoderInput::windows() const {
  return samples.empty() ? 1 : (samples.size() - 1) / size_t(windowSamples) + 1;
}

absl::Status EncoderInput::expectOneWindow() const {
  if (windows() == 1)
    return absl::OkStatus();
  return formatError({path, "", {}},
                     absl::StrFormat("at most %g s of sound, which this model reads at once",
                                     double(windowSamples) / double(kSampleRate)),
                     absl::StrFormat("%g s", double(samples.size()) / double(kSampleRate)));
}

absl::Status EncoderInput::encode(Session &session, size_t window) const {
  if (!features.empty())
    return session.readSource(absl::MakeConstSpan(features));
  if (samples.empty())
    return session.readSource(tokens);
  // Filled up with silence to all that the model reads.
  auto part =
      absl::MakeConstSpan(samples).subspan(window * size_t(windowSamples), size_t(windowSamples));
  std::vector<float> spectrogram =
      logMelSpectrogram(part, windowSamples / kHopSamples, featureSize);
  return session.readSource(absl::MakeConstSpan(spectrogram));
}

} // namespace stc
