// Byte-level BPE as in GPT-2: every byte is a symbol, merges are ranked.
#include "SubwordModel.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

class ByteLevelBpe final : public SubwordModel {
public:
  ByteLevelBpe(const TokenizerSpec &spec, const Vocabulary &vocabulary, const std::string &file)
      : spec(spec), vocabulary(vocabulary), file(file) {}

  absl::Status build() {
    if (spec.ignoreMerges) {
      for (size_t id = 0; id < spec.tokens.size(); ++id) {
        absl::string_view text = spec.tokens[id].text;
        // Only the token that merging would find under this text.
        if (!text.empty() && vocabulary.findMergeable(text) == int32_t(id))
          wholes.try_emplace(vocabulary.piece(int32_t(id)), int32_t(id));
      }
    }
    return merges.build(spec, vocabulary, file);
  }

  absl::Status encode(absl::string_view piece, SubwordScratch &buffers,
                      std::vector<int32_t> &ids) const override {
    BpeScratch &scratch = buffers.bpe;
    if (auto whole = wholes.find(piece); whole != wholes.end()) {
      ids.push_back(whole->second);
      return absl::OkStatus();
    }
    scratch.symbols.clear();
    for (uint32_t i = 0; i < piece.size(); ++i) {
      int32_t id = vocabulary.byteToken(uint8_t(piece[i]));
      if (id < 0)
        id = int32_t(spec.unknown);
      if (id < 0)
        return formatError({file, "text", {}}, "bytes the vocabulary has tokens for",
                           absl::StrCat("byte 0x", absl::Hex(uint8_t(piece[i]), absl::kZeroPad2),
                                        " and no unknown token"));
      appendSymbol(scratch.symbols, i, 1, id);
    }
    joinSymbols(scratch, [this](const BpeSymbol &left, const BpeSymbol &right) {
      return merges.find(left.id, right.id);
    });
    for (int32_t i = scratch.symbols.empty() ? -1 : 0; i >= 0; i = scratch.symbols[i].next)
      ids.push_back(scratch.symbols[i].id);
    return absl::OkStatus();
  }

private:
  const TokenizerSpec &spec;
  const Vocabulary &vocabulary;
  std::string file;
  MergeTable merges;
  absl::flat_hash_map<absl::string_view, int32_t> wholes; // by the bytes they stand for
};

} // namespace

absl::StatusOr<std::unique_ptr<SubwordModel>> createByteLevelBpe(const TokenizerSpec &spec,
                                                                 const Vocabulary &vocabulary,
                                                                 const std::string &file) {
  auto model = std::make_unique<ByteLevelBpe>(spec, vocabulary, file);
  STC_RETURN_IF_ERROR(model->build());
  return model;
}

} // namespace stc
