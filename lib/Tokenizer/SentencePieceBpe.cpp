// SentencePiece-style BPE: characters are symbols, merged by score or by rank, and what has no
// token falls back to bytes or to the unknown token.
#include "SubwordModel.h"

#include "Unicode.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

class SentencePieceBpe final : public SubwordModel {
public:
  SentencePieceBpe(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file)
      : spec(spec), vocabulary(vocabulary), file(file), ranked(!spec.merges.empty()) {}

  absl::Status build() {
    splittable = !spec.fuseUnknown || vocabulary.findAny(kSpaceMarker) >= 0;
    if (ranked) {
      for (const auto &[left, right] : spec.merges)
        splittable = splittable && !crossesSpaceMarker(absl::StrCat(left, right));
      return merges.build(spec, vocabulary, file);
    }
    for (const TokenizerSpec::Token &token : spec.tokens)
      if (vocabulary.findMergeable(token.text) >= 0)
        splittable = splittable && !crossesSpaceMarker(token.text);
    rankScores();
    return absl::OkStatus();
  }

  bool splitsBeforeSpaceMarker() const override { return splittable; }

  absl::Status encode(absl::string_view piece, SubwordScratch &buffers,
                      std::vector<int32_t> &ids) const override {
    BpeScratch &scratch = buffers.bpe;
    scratch.symbols.clear();
    scratch.cuts.clear();
    for (uint32_t at = 0; at < piece.size();) {
      // A malformed byte is a character of its own, for which only byte fallback has a token.
      uint32_t length = std::max<uint32_t>(1, uint32_t(decodeUtf8(piece, at).length));
      appendSymbol(scratch.symbols, at, length, vocabulary.findAny(piece.substr(at, length)));
      at += length;
    }
    if (ranked)
      joinSymbols(scratch, [this](const BpeSymbol &left, const BpeSymbol &right) {
        return merges.find(left.id, right.id);
      });
    else
      joinSymbols(scratch, [&](const BpeSymbol &left, const BpeSymbol &right) {
        return findByText(piece, left, right, scratch);
      });
    bool afterUnknown = false;
    for (int32_t i = scratch.symbols.empty() ? -1 : 0; i >= 0; i = scratch.symbols[i].next)
      STC_RETURN_IF_ERROR(emit(piece, scratch.symbols[i], scratch, afterUnknown, ids));
    return absl::OkStatus();
  }

private:
  /// Numbers the scores from the highest down, equal scores alike, so that they order joins just
  /// as ranks do.
  void rankScores() {
    std::vector<float> scores;
    scores.reserve(spec.tokens.size());
    for (const TokenizerSpec::Token &token : spec.tokens)
      scores.push_back(token.score);
    std::sort(scores.begin(), scores.end(), std::greater<float>());
    scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
    priorities.reserve(spec.tokens.size());
    for (const TokenizerSpec::Token &token : spec.tokens)
      priorities.push_back(uint32_t(
          std::lower_bound(scores.begin(), scores.end(), token.score, std::greater<float>()) -
          scores.begin()));
  }

  std::optional<BpeJoin> findByText(absl::string_view piece, const BpeSymbol &left,
                                    const BpeSymbol &right, BpeScratch &scratch) const {
    size_t length = size_t(left.length) + right.length;
    if (length > vocabulary.longestMergeable())
      return std::nullopt;
    int32_t id = vocabulary.findMergeable(piece.substr(left.begin, length));
    if (id < 0)
      return std::nullopt;
    if (spec.tokens[size_t(id)].type == TokenizerSpec::TokenType::Unused)
      scratch.cuts[id] = left.length;
    return BpeJoin{priorities[size_t(id)], id};
  }

  /// Appends the tokens of one symbol: itself, the parts of an unused token, bytes, or unknown.
  absl::Status emit(absl::string_view piece, const BpeSymbol &symbol, BpeScratch &scratch,
                    bool &afterUnknown, std::vector<int32_t> &ids) const {
    std::vector<BpeSymbol> &stack = scratch.stack;
    stack.assign(1, symbol);
    while (!stack.empty()) {
      BpeSymbol top = stack.back();
      stack.pop_back();
      absl::string_view text = piece.substr(top.begin, top.length);
      if (top.id < 0) {
        STC_RETURN_IF_ERROR(appendUnknown(spec, vocabulary, file, text, afterUnknown, ids));
        continue;
      }
      afterUnknown = false;
      auto cut = spec.tokens[size_t(top.id)].type == TokenizerSpec::TokenType::Unused
                     ? scratch.cuts.find(top.id)
                     : scratch.cuts.end();
      if (cut == scratch.cuts.end()) {
        ids.push_back(top.id);
        continue;
      }
      uint32_t left = cut->second, right = top.length - left;
      stack.push_back({top.begin + left, right, vocabulary.findAny(text.substr(left))});
      stack.push_back({top.begin, left, vocabulary.findAny(text.substr(0, left))});
    }
    return absl::OkStatus();
  }

  const TokenizerSpec &spec;
  const Vocabulary &vocabulary;
  std::string file;
  bool ranked;
  bool splittable = false;
  MergeTable merges;                // ranked
  std::vector<uint32_t> priorities; // by id, otherwise
};

} // namespace

absl::StatusOr<std::unique_ptr<SubwordModel>> createSentencePieceBpe(const TokenizerSpec &spec,
                                                                     const Vocabulary &vocabulary,
                                                                     const std::string &file) {
  auto model = std::make_unique<SentencePieceBpe>(spec, vocabulary, file);
  STC_RETURN_IF_ERROR(model->build());
  return model;
}

} // namespace stc
