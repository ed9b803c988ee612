// What every subword model does with a text it has no token for.
#include "SubwordModel.h"

#include "absl/strings/str_cat.h"

namespace stc {

absl::Status appendUnknown(const TokenizerSpec &spec, const Vocabulary &vocabulary,
                           const std::string &file, absl::string_view text, bool &afterUnknown,
                           std::vector<int32_t> &ids) {
  if (spec.byteFallback && std::all_of(text.begin(), text.end(), [&](char c) {
        return vocabulary.byteToken(uint8_t(c)) >= 0;
      })) {
    for (char c : text)
      ids.push_back(vocabulary.byteToken(uint8_t(c)));
    afterUnknown = false;
    return absl::OkStatus();
  }
  if (spec.unknown < 0)
    return formatError({file, "text", {}}, "characters the vocabulary has tokens for",
                       absl::StrCat("'", text, "' and no unknown token"));
  if (!spec.fuseUnknown || !afterUnknown)
    ids.push_back(int32_t(spec.unknown));
  afterUnknown = true;
  return absl::OkStatus();
}

} // namespace stc
