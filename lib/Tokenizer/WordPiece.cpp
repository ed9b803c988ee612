// WordPiece as in BERT: a word is cut into the longest tokens from left to right; a word that
// cannot be cut is unknown as a whole.
#include "SubwordModel.h"

#include "Unicode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stc {

namespace {

/// Words are cut in time quadratic in their length.
constexpr int64_t kLongestWord = 1024;

class WordPiece final : public SubwordModel {
public:
  WordPiece(const TokenizerSpec &spec, const Vocabulary &vocabulary)
      : spec(spec), vocabulary(vocabulary) {}

  absl::Status build(const std::string &file) {
    if (spec.unknown < 0)
      return formatError({file, "unknown", {}}, "the unknown token that WordPiece needs", "none");
    if (spec.longestWord < 1 || spec.longestWord > kLongestWord)
      return formatError({file, "longestWord", {}},
                         absl::StrCat("1 to ", kLongestWord, " characters"),
                         absl::StrCat(spec.longestWord));
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      absl::string_view text = spec.tokens[id].text;
      if (vocabulary.findMergeable(text) == int32_t(id) &&
          absl::ConsumePrefix(&text, spec.continuationPrefix) && !text.empty())
        continuations.try_emplace(text, int32_t(id));
    }
    return absl::OkStatus();
  }

  absl::Status encode(absl::string_view piece, SubwordScratch &scratch,
                      std::vector<int32_t> &ids) const override {
    // Where characters begin, and the end of the last.
    std::vector<uint32_t> &places = scratch.places;
    places.clear();
    for (uint32_t at = 0; at < piece.size();) {
      places.push_back(at);
      if (int64_t(places.size()) > spec.longestWord) {
        ids.push_back(int32_t(spec.unknown));
        return absl::OkStatus();
      }
      at += std::max<uint32_t>(1, uint32_t(decodeUtf8(piece, at).length));
    }
    places.push_back(uint32_t(piece.size()));
    size_t first = ids.size();
    for (size_t from = 0; from + 1 < places.size();) {
      int32_t id = -1;
      size_t to = places.size() - 1;
      for (; to > from; --to) {
        absl::string_view text = piece.substr(places[from], places[to] - places[from]);
        if (text.size() > vocabulary.longestMergeable())
          continue;
        id = from == 0 ? vocabulary.findMergeable(text) : findContinuation(text);
        if (id >= 0)
          break;
      }
      if (id < 0) {
        ids.resize(first);
        ids.push_back(int32_t(spec.unknown));
        return absl::OkStatus();
      }
      ids.push_back(id);
      from = to;
    }
    return absl::OkStatus();
  }

private:
  int32_t findContinuation(absl::string_view text) const {
    auto found = continuations.find(text);
    return found == continuations.end() ? -1 : found->second;
  }

  const TokenizerSpec &spec;
  const Vocabulary &vocabulary;
  absl::flat_hash_map<absl::string_view, int32_t> continuations; // without their prefix
};

} // namespace

absl::StatusOr<std::unique_ptr<SubwordModel>>
createWordPiece(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file) {
  auto model = std::make_unique<WordPiece>(spec, vocabulary);
  STC_RETURN_IF_ERROR(model->build(file));
  return model;
}

} // namespace stc
