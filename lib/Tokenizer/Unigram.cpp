// Unigram as in SentencePiece (Kudo 2018): of all ways to cut a text into tokens, the one whose
// scores sum to the most, by the Viterbi algorithm.
#include "SubwordModel.h"

#include "Unicode.h"

#include "absl/strings/str_cat.h"

#include <limits>

namespace stc {

namespace {

/// Far beyond real tokens; it bounds the work at one place of a text.
constexpr size_t kLongestToken = 1024;
/// A character without a token costs this much more than the least likely token.
constexpr double kUnknownPenalty = 10;

class Unigram final : public SubwordModel {
public:
  Unigram(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file)
      : spec(spec), vocabulary(vocabulary), file(file) {}

  absl::Status build() {
    using Type = TokenizerSpec::TokenType;
    splittable = !spec.fuseUnknown || vocabulary.findAny(kSpaceMarker) >= 0;
    double lowest = std::numeric_limits<double>::infinity();
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      const TokenizerSpec::Token &token = spec.tokens[id];
      lowest = std::min(lowest, double(token.score));
      if (vocabulary.findMergeable(token.text) != int32_t(id) || token.type == Type::Unused)
        continue;
      if (token.text.size() > kLongestToken)
        return formatError({file, absl::StrCat("tokens[", id, "]"), {}},
                           absl::StrCat("a Unigram token of at most ", kLongestToken, " bytes"),
                           absl::StrCat(token.text.size(), " bytes"));
      splittable = splittable && !crossesSpaceMarker(token.text);
      sorted.push_back({token.text, int32_t(id)});
    }
    unknownScore = lowest - kUnknownPenalty;
    std::sort(sorted.begin(), sorted.end(),
              [](const Entry &a, const Entry &b) { return a.text < b.text; });
    for (size_t byte = 0, i = 0; byte <= 256; ++byte) {
      while (i < sorted.size() && uint8_t(sorted[i].text[0]) < byte)
        ++i;
      firsts[byte] = uint32_t(i);
    }
    return absl::OkStatus();
  }

  bool splitsBeforeSpaceMarker() const override { return splittable; }

  absl::Status encode(absl::string_view piece, SubwordScratch &scratch,
                      std::vector<int32_t> &ids) const override {
    constexpr double unreached = -std::numeric_limits<double>::infinity();
    std::vector<UnigramCell> &cells = scratch.cells;
    cells.assign(piece.size() + 1, {unreached, 0, -1});
    cells[0].score = 0;
    for (uint32_t at = 0; at < piece.size();) {
      // A malformed byte is a character of its own, for which only byte fallback has a token.
      uint32_t length = std::max<uint32_t>(1, uint32_t(decodeUtf8(piece, at).length));
      bool alone = false; // the character is a token
      forEachPrefix(piece, at, [&](uint32_t size, int32_t id) {
        alone |= size == length;
        reach(cells, at, size, double(spec.tokens[size_t(id)].score), id);
      });
      if (!alone)
        reach(cells, at, length, unknownScore, -1);
      at += length;
    }
    std::vector<uint32_t> &ends = scratch.places; // of the tokens, the last one first
    ends.clear();
    for (uint32_t end = uint32_t(piece.size()); end > 0; end = cells[end].begin)
      ends.push_back(end);
    bool afterUnknown = false;
    for (size_t i = ends.size(); i-- > 0;) {
      const UnigramCell &cell = cells[ends[i]];
      if (cell.id < 0) {
        STC_RETURN_IF_ERROR(appendUnknown(spec, vocabulary, file,
                                          piece.substr(cell.begin, ends[i] - cell.begin),
                                          afterUnknown, ids));
        continue;
      }
      ids.push_back(cell.id);
      afterUnknown = false;
    }
    return absl::OkStatus();
  }

private:
  struct Entry {
    absl::string_view text;
    int32_t id;
  };

  static void reach(std::vector<UnigramCell> &cells, uint32_t begin, uint32_t size, double score,
                    int32_t id) {
    double sum = cells[begin].score + score;
    UnigramCell &end = cells[begin + size];
    if (sum > end.score)
      end = {sum, begin, id};
  }

  /// Calls `visit(length, id)` for every token that `text` has at `at`, the shortest first. The
  /// tokens that begin alike stand together, so each byte narrows the range of candidates.
  template <typename Visit>
  void forEachPrefix(absl::string_view text, size_t at, Visit visit) const {
    uint8_t first = uint8_t(text[at]);
    auto low = sorted.begin() + firsts[first], high = sorted.begin() + firsts[size_t(first) + 1];
    for (uint32_t depth = 1; low != high; ++depth) {
      if (low->text.size() == depth) {
        visit(depth, low->id);
        ++low;
      }
      if (at + depth == text.size())
        return;
      uint8_t byte = uint8_t(text[at + depth]);
      low = std::partition_point(
          low, high, [&](const Entry &entry) { return uint8_t(entry.text[depth]) < byte; });
      high = std::partition_point(
          low, high, [&](const Entry &entry) { return uint8_t(entry.text[depth]) == byte; });
    }
  }

  const TokenizerSpec &spec;
  const Vocabulary &vocabulary;
  std::string file;
  std::vector<Entry> sorted;
  uint32_t firsts[257]; // by first byte: where its tokens begin in `sorted`
  double unknownScore = 0;
  bool splittable = false;
};

} // namespace

absl::StatusOr<std::unique_ptr<SubwordModel>>
createUnigram(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file) {
  auto model = std::make_unique<Unigram>(spec, vocabulary, file);
  STC_RETURN_IF_ERROR(model->build());
  return model;
}

} // namespace stc
