// The pre-tokenizers that GGUF files name instead of storing them.
#include "PreTokenizerFamilies.h"

namespace stc {

namespace {

using Step = TokenizerSpec::PreTokenizer;

// The patterns that GGUF names in `tokenizer.ggml.pre` instead of storing them. Each is what the
// tokenizer.json of the model family says; a gap between matches is a piece of its own.
constexpr absl::string_view kGpt2 = ""; // the built-in step
constexpr absl::string_view kDigits = "\\p{N}";
constexpr absl::string_view kThreeDigits = "[0-9][0-9][0-9]";
constexpr absl::string_view kLlama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr absl::string_view kQwen2 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr absl::string_view kQwen35 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr absl::string_view kTekken =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr absl::string_view kGpt4o =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr absl::string_view kPunctuation = "[\\p{P}$+<=>^~|]+";
constexpr absl::string_view kFalconPunctuation = "[\\p{P}$+<=>^~|`]+";
constexpr absl::string_view kDigitRuns = "\\p{N}+";
constexpr absl::string_view kUpToThreeDigits = "\\p{N}{1,3}";
constexpr absl::string_view kIdeographsAndKana = "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+";
constexpr absl::string_view kDeepseek3 =
    "[!-/:-@\\[-`{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

} // namespace

bool samePreTokenizer(const Step &a, const Step &b) {
  if (a.kind != b.kind)
    return false;
  if (a.kind == Step::Kind::Digits)
    return a.individualDigits == b.individualDigits;
  return a.kind != Step::Kind::Regex ||
         (a.pattern == b.pattern && a.behavior == b.behavior && a.inverted == b.inverted);
}

const std::vector<PreTokenizerFamily> &preTokenizerFamilies() {
  static const auto *families = new std::vector<PreTokenizerFamily>{
      {{"default"}, {kPunctuation, kGpt2, kDigitRuns, kThreeDigits}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "gigachat", "mellum"},
       {kGpt2}},
      {{"starcoder", "smollm", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
       {kDigits, kGpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"}, {kLlama3}, true, true},
      {{"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, {kLlama3}},
      {{"qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan", "grok-2", "solar-open"},
       {kQwen2}},
      {{"qwen35"}, {kQwen35}},
      {{"tekken"}, {kTekken}, true, true},
      {{"gpt-4o", "llama4"}, {kGpt4o}},
      {{"falcon"}, {kFalconPunctuation, kGpt2, kThreeDigits}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm"},
       {kUpToThreeDigits, kIdeographsAndKana, kDeepseek3}},
  };
  return *families;
}

const PreTokenizerFamily *findPreTokenizerFamily(absl::string_view name) {
  for (const PreTokenizerFamily &family : preTokenizerFamilies())
    for (absl::string_view known : family.names)
      if (known == name)
        return &family;
  return nullptr;
}

const PreTokenizerFamily *findPreTokenizerFamily(const TokenizerSpec &spec) {
  for (const PreTokenizerFamily &family : preTokenizerFamilies()) {
    std::vector<Step> steps = stepsOf(family);
    if (family.ignoreMerges == spec.ignoreMerges &&
        std::equal(steps.begin(), steps.end(), spec.preTokenizers.begin(), spec.preTokenizers.end(),
                   samePreTokenizer))
      return &family;
  }
  return nullptr;
}

std::vector<Step> stepsOf(const PreTokenizerFamily &family) {
  std::vector<Step> steps;
  for (absl::string_view pattern : family.patterns) {
    Step step;
    step.kind = pattern == kGpt2     ? Step::Kind::ByteLevelGpt2
                : pattern == kDigits ? Step::Kind::Digits
                                     : Step::Kind::Regex;
    if (step.kind == Step::Kind::Regex)
      step.pattern = std::string(pattern);
    steps.push_back(step);
  }
  return steps;
}

} // namespace stc
