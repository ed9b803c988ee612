// What BERT does to a text before WordPiece (google-research/bert, tokenization.py).
#include "BertPipeline.h"

namespace stc {

using Normalizer = TokenizerSpec::Normalizer;
using PreTokenizer = TokenizerSpec::PreTokenizer;

std::vector<Normalizer> bertNormalizers(const BertNormalization &rules) {
  std::vector<Normalizer> steps;
  auto add = [&](bool wanted, Normalizer::Kind kind) {
    if (wanted)
      steps.push_back({kind, "", ""});
  };
  add(rules.cleanText, Normalizer::Kind::CleanText);
  add(rules.isolateIdeographs, Normalizer::Kind::IsolateIdeographs);
  add(rules.stripAccents, Normalizer::Kind::Nfd);
  add(rules.stripAccents, Normalizer::Kind::DropNonspacingMarks);
  add(rules.lowercase, Normalizer::Kind::Lowercase);
  return steps;
}

std::optional<BertNormalization> findBertNormalization(const std::vector<Normalizer> &steps) {
  for (int bits = 0; bits < 16; ++bits) {
    BertNormalization rules{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    std::vector<Normalizer> candidate = bertNormalizers(rules);
    if (std::equal(steps.begin(), steps.end(), candidate.begin(), candidate.end(),
                   [](const Normalizer &a, const Normalizer &b) { return a.kind == b.kind; }))
      return rules;
  }
  return std::nullopt;
}

PreTokenizer whiteSpaceStep() {
  return {PreTokenizer::Kind::Regex, "\\s+", true, PreTokenizer::Behavior::Removed, false};
}

PreTokenizer punctuationStep() {
  return {PreTokenizer::Kind::Regex, "[\\p{P}!-/:-@\\[-`{-~]", true,
          PreTokenizer::Behavior::Isolated, false};
}

std::vector<PreTokenizer> bertPreTokenizers() { return {whiteSpaceStep(), punctuationStep()}; }

} // namespace stc
