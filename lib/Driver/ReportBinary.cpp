// What a report measures with the finished binary, beside its source compiled without compression.
#include "ReportBinary.h"

#include "stc/Runtime/Args.h"
#include "stc/Runtime/ChildProcess.h"
#include "stc/Support/Json.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "llvm/TargetParser/Host.h"

#include <fstream>

namespace stc {

namespace {

constexpr int kRounds = 3;
constexpr double kSecondsPerRound = 1;
constexpr int64_t kPromptTokens = 128, kGenerated = 64; // as `bench` has it without options
constexpr int64_t kSamplePrompt = 24, kSampleTokens = 48;

/// One JSON object that a command of a model binary prints.
class Answer {
public:
  static absl::StatusOr<Answer> ask(const std::string &program,
                                    const std::vector<std::string> &words) {
    STC_ASSIGN_OR_RETURN(std::string text, outputOf(program, words));
    Answer answer;
    answer.program = program;
    STC_ASSIGN_OR_RETURN(answer.object, parseJson(absl::StripAsciiWhitespace(text), program));
    return answer;
  }
  absl::StatusOr<double> number(const std::string &key) const {
    const JsonValue *value = object.find(key);
    if (!value || !value->isNumber())
      return formatError({program, key, {}}, "a number", value ? "another value" : "none");
    return value->number;
  }
  absl::StatusOr<Measured> measured(const std::string &key) const {
    STC_ASSIGN_OR_RETURN(double value, number(key));
    STC_ASSIGN_OR_RETURN(double error, number(key + "_stderr"));
    return Measured{value, error};
  }

private:
  std::string program;
  JsonValue object;
};

absl::Status addRound(const std::string &program, const std::vector<std::string> &words,
                      ReportRates &rates, ReportSpeed &speed) {
  STC_ASSIGN_OR_RETURN(Answer answer, Answer::ask(program, words));
  if (speed.generated > 0) {
    STC_ASSIGN_OR_RETURN(double decode, answer.number("decode_tokens_per_second"));
    rates.decode.push_back(decode);
  }
  STC_ASSIGN_OR_RETURN(double prefill, answer.number("prefill_tokens_per_second"));
  STC_ASSIGN_OR_RETURN(double threads, answer.number("threads"));
  rates.prefill.push_back(prefill);
  speed.threads = int64_t(threads);
  return absl::OkStatus();
}

/// What a program makes of a prompt, as text if there is a tokenizer.
absl::StatusOr<std::string> continueText(const std::string &program,
                                         absl::Span<const int32_t> prompt, int64_t count,
                                         const Tokenizer *tokenizer) {
  STC_ASSIGN_OR_RETURN(
      std::string printed,
      outputOf(program, {"run", absl::StrCat("--tokens=", absl::StrJoin(prompt, ",")),
                         absl::StrCat("--max-tokens=", count), "--temperature=0", "--print-tokens",
                         "--quiet"}));
  absl::string_view words = absl::StripAsciiWhitespace(printed);
  if (!tokenizer || words.empty())
    return std::string(words);
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, parseTokenIds(words, program, "run"));
  std::string text;
  for (int32_t id : ids) // vocabularies are padded to round sizes; such ids have no text
    if (size_t(id) < tokenizer->spec().tokens.size())
      text += tokenizer->piece(id);
  return text;
}

} // namespace

absl::StatusOr<ReportQuality> evaluateBinary(const ReportBinaries &binaries,
                                             const EvaluationText &text,
                                             const std::string &scratch) {
  const Sequences &windows = text.windows;
  std::vector<int32_t> own;
  for (int64_t i = 0; i < windows.count; ++i)
    text.form.appendOwn(absl::MakeConstSpan(windows.tokens)
                            .subspan(size_t(i * windows.length), size_t(windows.length)),
                        own);
  std::string ids = absl::StrJoin(own, "\n");
  // Never committed: it vanishes with this object.
  STC_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::create(scratch));
  STC_RETURN_IF_ERROR(file->write(absl::string_view(ids)));
  STC_RETURN_IF_ERROR(file->flush());
  STC_ASSIGN_OR_RETURN(
      Answer answer,
      Answer::ask(binaries.model, {"eval", "--tokens-file=" + file->temporaryPath(),
                                   absl::StrCat("--context=", windows.length),
                                   "--reference=" + binaries.source, "--json", "--quiet"}));
  ReportQuality quality;
  if (text.isOfEncoder) {
    quality.isOfVectors = true;
    STC_ASSIGN_OR_RETURN(double texts, answer.number("texts"));
    quality.tokens = int64_t(texts);
    STC_ASSIGN_OR_RETURN(quality.divergence, answer.measured("cosine_distance"));
    return quality;
  }
  STC_ASSIGN_OR_RETURN(double tokens, answer.number("tokens"));
  quality.tokens = int64_t(tokens);
  STC_ASSIGN_OR_RETURN(quality.perplexity, answer.measured("perplexity"));
  STC_ASSIGN_OR_RETURN(quality.sourcePerplexity, answer.measured("reference_perplexity"));
  STC_ASSIGN_OR_RETURN(quality.divergence, answer.measured("kl"));
  STC_ASSIGN_OR_RETURN(quality.agreement, answer.measured("top1_agreement"));
  return quality;
}

absl::StatusOr<ReportSpeed> benchBinaries(const ReportBinaries &binaries,
                                          const ModelSettings &settings) {
  ReportSpeed speed;
  int64_t context = settings.maxContext;
  speed.promptTokens = std::min(kPromptTokens, std::max<int64_t>(1, context * 2 / 3));
  if (settings.kind == ModelKind::EncoderDecoder)
    speed.promptTokens = std::min(speed.promptTokens, settings.encoderContext);
  if (settings.kind != ModelKind::Encoder)
    speed.generated = std::min(kGenerated, std::max<int64_t>(1, context - speed.promptTokens));
  speed.cpu = processorName();
  std::vector<std::string> words{"bench", absl::StrCat("--prompt-tokens=", speed.promptTokens),
                                 absl::StrCat("--seconds=", kSecondsPerRound), "--json"};
  if (speed.generated > 0)
    words.push_back(absl::StrCat("--generate=", speed.generated));
  for (int round = 0; round < kRounds; ++round) {
    STC_RETURN_IF_ERROR(addRound(binaries.source, words, speed.source, speed));
    STC_RETURN_IF_ERROR(addRound(binaries.model, words, speed.model, speed));
  }
  return speed;
}

absl::StatusOr<std::vector<ReportSample>> sampleBinaries(const ReportBinaries &binaries,
                                                         const EvaluationText &text,
                                                         const Tokenizer *tokenizer,
                                                         int64_t context) {
  const Sequences &windows = text.windows;
  int64_t length = std::min(kSamplePrompt, windows.length / 2);
  int64_t count = std::min(kSampleTokens, context - length);
  std::vector<ReportSample> samples;
  for (int64_t window : {int64_t(0), windows.count / 2}) {
    if (window == 0 && !samples.empty())
      break; // there is only one
    auto prompt = absl::MakeConstSpan(windows.tokens)
                      .subspan(size_t(window * windows.length), size_t(length));
    ReportSample &sample = samples.emplace_back();
    sample.prompt = absl::StrJoin(prompt, " ");
    if (tokenizer) {
      STC_ASSIGN_OR_RETURN(sample.prompt, tokenizer->decode(prompt));
    }
    STC_ASSIGN_OR_RETURN(sample.source, continueText(binaries.source, prompt, count, tokenizer));
    STC_ASSIGN_OR_RETURN(sample.model, continueText(binaries.model, prompt, count, tokenizer));
  }
  return samples;
}

std::string processorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (absl::StartsWith(line, "model name"))
      return std::string(absl::StripAsciiWhitespace(line.substr(line.find(':') + 1)));
  return llvm::sys::getHostCPUName().str();
}

} // namespace stc
