// What turns one pre-token into ids: BPE of both kinds, WordPiece or Unigram.
#ifndef STC_LIB_TOKENIZER_SUBWORDMODEL_H
#define STC_LIB_TOKENIZER_SUBWORDMODEL_H

#include "BpeModel.h"

#include <memory>

namespace stc {

/// The best way to cut the text up to one place (Unigram): its score, where its last token begins,
/// and that token; -1 for a character without a token.
struct UnigramCell {
  double score;
  uint32_t begin;
  int32_t id;
};

/// Buffers that are kept from one pre-token to the next.
struct SubwordScratch {
  BpeScratch bpe;
  std::vector<UnigramCell> cells;
  std::vector<uint32_t> places;
};

/// A subword model over a vocabulary; immutable after `create...`.
class SubwordModel {
public:
  virtual ~SubwordModel() = default;
  /// Appends the tokens of `piece`. `scratch` is only there to save allocations.
  virtual absl::Status encode(absl::string_view piece, SubwordScratch &scratch,
                              std::vector<int32_t> &ids) const = 0;
  /// Whether no token crosses the boundary before a space marker, so that the text may be cut there
  /// without changing the outcome.
  virtual bool splitsBeforeSpaceMarker() const { return false; }
};

/// Each borrows its arguments for as long as it lives.
absl::StatusOr<std::unique_ptr<SubwordModel>> createByteLevelBpe(const TokenizerSpec &spec,
                                                                 const Vocabulary &vocabulary,
                                                                 const std::string &file);
absl::StatusOr<std::unique_ptr<SubwordModel>> createSentencePieceBpe(const TokenizerSpec &spec,
                                                                     const Vocabulary &vocabulary,
                                                                     const std::string &file);
absl::StatusOr<std::unique_ptr<SubwordModel>>
createWordPiece(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file);
absl::StatusOr<std::unique_ptr<SubwordModel>>
createUnigram(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file);

/// Appends what stands for a text without a token: its bytes if the vocabulary falls back to them,
/// or else the unknown token, once for neighbours if they are fused (`afterUnknown` says whether
/// the token before was unknown, and is kept up to date). Error: there is no unknown token.
absl::Status appendUnknown(const TokenizerSpec &spec, const Vocabulary &vocabulary,
                           const std::string &file, absl::string_view text, bool &afterUnknown,
                           std::vector<int32_t> &ids);

} // namespace stc

#endif // STC_LIB_TOKENIZER_SUBWORDMODEL_H
