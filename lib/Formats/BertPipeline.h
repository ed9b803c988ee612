// What BERT does to a text before WordPiece, as both tokenizer.json and GGUF mean it.
#ifndef STC_LIB_FORMATS_BERTPIPELINE_H
#define STC_LIB_FORMATS_BERTPIPELINE_H

#include "stc/Tokenizer/Tokenizer.h"

#include <optional>

namespace stc {

/// The switches of a BertNormalizer. Those of an uncased model are the default.
struct BertNormalization {
  bool cleanText = true, isolateIdeographs = true, stripAccents = true, lowercase = true;
};

/// Its steps, and the switches of given steps (nothing if no BertNormalizer has them).
std::vector<TokenizerSpec::Normalizer> bertNormalizers(const BertNormalization &rules);
std::optional<BertNormalization>
findBertNormalization(const std::vector<TokenizerSpec::Normalizer> &steps);

/// Drops white space; cuts out each punctuation character (Unicode's P and all of ASCII's).
TokenizerSpec::PreTokenizer whiteSpaceStep();
TokenizerSpec::PreTokenizer punctuationStep();
/// Both: the BertPreTokenizer.
std::vector<TokenizerSpec::PreTokenizer> bertPreTokenizers();

} // namespace stc

#endif // STC_LIB_FORMATS_BERTPIPELINE_H
