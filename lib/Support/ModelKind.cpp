// What a model does with a text.
#include "stc/Support/ModelKind.h"

namespace stc {

absl::string_view modelKindName(ModelKind kind) {
  switch (kind) {
  case ModelKind::Decoder:
    return "decoder";
  case ModelKind::Encoder:
    return "encoder";
  case ModelKind::EncoderDecoder:
    return "encoder-decoder";
  }
  return "";
}

std::optional<ModelKind> parseModelKind(absl::string_view name) {
  for (ModelKind kind : {ModelKind::Decoder, ModelKind::Encoder, ModelKind::EncoderDecoder})
    if (modelKindName(kind) == name)
      return kind;
  return std::nullopt;
}

} // namespace stc
