// Names of kinds of models.
#include "stc/Support/ModelKind.h"

#include "gtest/gtest.h"

namespace stc {
namespace {

TEST(ModelKind, NamesReadBack) {
  for (ModelKind kind : {ModelKind::Decoder, ModelKind::Encoder, ModelKind::EncoderDecoder})
    EXPECT_EQ(parseModelKind(modelKindName(kind)), kind);
  EXPECT_EQ(modelKindName(ModelKind::EncoderDecoder), "encoder-decoder");
  EXPECT_EQ(parseModelKind("Encoder"), std::nullopt);
  EXPECT_EQ(parseModelKind(""), std::nullopt);
}

} // namespace
} // namespace stc
