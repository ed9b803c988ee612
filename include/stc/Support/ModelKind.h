// What a model does with a text.
#ifndef STC_SUPPORT_MODELKIND_H
#define STC_SUPPORT_MODELKIND_H

#include "absl/strings/string_view.h"

#include <optional>

namespace stc {

/// A decoder continues a text, an encoder turns it into vectors, and an encoder-decoder reads one
/// text and writes another.
enum class ModelKind { Decoder, Encoder, EncoderDecoder };

/// "decoder", "encoder" or "encoder-decoder".
absl::string_view modelKindName(ModelKind kind);

/// The kind of that name; nothing for another.
std::optional<ModelKind> parseModelKind(absl::string_view name);

} // namespace stc

#endif // STC_SUPPORT_MODELKIND_H
