// The GGUF writer: byte for byte against hand-built files, and what it refuses.
#include "stc/Formats/GgufWriter.h"

#include "Builders.h"

#include "gmock/gmock.h"

namespace stc {
namespace {

using testing::HasSubstr;

TensorView announce(const std::string &name, DType dtype, std::vector<int64_t> shape) {
  TensorView view;
  view.name = name;
  view.dtype = dtype;
  view.shape = std::move(shape);
  return view;
}

class GgufWriterTest : public testing::Test {
protected:
  /// Writes, with every byte of a tensor's data the number of letters in its name.
  absl::Status write(const GgufMetadata &metadata, const std::vector<TensorView> &tensors) {
    std::vector<uint8_t> bytes;
    auto produce = [&](const TensorView &view) -> absl::StatusOr<absl::Span<const uint8_t>> {
      bytes.assign(size_t(*tensorBytes(view.dtype, view.shape, {})) - missing,
                   uint8_t(view.name.size()));
      return absl::Span<const uint8_t>(bytes);
    };
    STC_ASSIGN_OR_RETURN(auto file, streamGguf(path(), metadata, tensors, produce));
    return file->commit();
  }
  std::string path() const { return folder.path("out.gguf"); }

  TempFolder folder;
  size_t missing = 0;
};

TEST_F(GgufWriterTest, WritesWhatTheFormatSays) {
  GgufMetadata metadata;
  metadata.addText("a.text", "x\xc3\xa9");
  metadata.addNumber("a.number", 0xFFFFFFFF);
  metadata.addReal("a.real", 0.5f);
  metadata.addFlag("a.flag", true);
  metadata.addTexts("a.texts", {"", "yz"});
  metadata.addReals("a.reals", {1.0f, -2.0f});
  metadata.addIntegers("a.integers", {-1, 7});
  GgufMetadata moved(std::move(metadata)); // the texts move along
  ASSERT_TRUE(
      write(moved, {announce("ab", DType::F32, {3}), announce("abc", DType::Q4_0, {2, 64})}).ok());

  GgufBuilder builder;
  builder.str("a.text", "x\xc3\xa9").number("a.number", 0xFFFFFFFF).real("a.real", 0.5f);
  builder.scalar("a.flag", GgufBuilder::boolean, uint8_t(1));
  builder.list("a.texts", GgufBuilder::string, 2, GgufBuilder::text("") + GgufBuilder::text("yz"));
  builder.list("a.reals", GgufBuilder::f32, 2, bytesOf(1.0f) + bytesOf(-2.0f));
  builder.list("a.integers", GgufBuilder::i32, 2, bytesOf(int32_t(-1)) + bytesOf(int32_t(7)));
  builder.tensor("ab", {3}, 0, 0).tensor("abc", {64, 2}, 2, 32);
  std::string data = std::string(12, 2) + std::string(20, 0) + std::string(72, 3);
  EXPECT_EQ(TempFolder::read(path()), builder.build(data + std::string(24, 0)));
}

TEST_F(GgufWriterTest, CopiesEveryKindOfValue) {
  GgufBuilder builder;
  builder.scalar("u8", GgufBuilder::u8, uint8_t(200)).scalar("i8", GgufBuilder::i8, int8_t(-3));
  builder.scalar("u16", GgufBuilder::u16, uint16_t(60000));
  builder.scalar("i16", GgufBuilder::i16, int16_t(-300));
  builder.scalar("u64", GgufBuilder::u64, uint64_t(1) << 40);
  builder.scalar("i64", GgufBuilder::i64, -(int64_t(1) << 40));
  builder.scalar("f64", GgufBuilder::f64, 0.1);
  builder.list("wide", GgufBuilder::f64, 1, bytesOf(0.3));
  std::string bytes = builder.build();
  auto source = GgufFile::open(folder.write("source.gguf", bytes));
  ASSERT_TRUE(source.ok()) << source.status();
  GgufMetadata metadata;
  // In the order of the builder.
  for (const char *key : {"u8", "i8", "u16", "i16", "u64", "i64", "f64", "wide"})
    metadata.add(key, *(*source)->find(key));
  ASSERT_TRUE(write(metadata, {}).ok());
  // Beyond the metadata there is only padding.
  EXPECT_EQ(TempFolder::read(path()).substr(0, bytes.size()), bytes);
}

TEST_F(GgufWriterTest, RefusesWhatIsNoFile) {
  GgufMetadata none, twice;
  twice.addNumber("k", 1);
  twice.addNumber("k", 2);
  auto refusal = [&](const GgufMetadata &metadata, const std::vector<TensorView> &tensors) {
    absl::Status status = write(metadata, tensors);
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(std::filesystem::exists(path()));
    return std::string(status.message());
  };
  EXPECT_THAT(refusal(twice, {}), HasSubstr("k: expected every key once"));
  TensorView good = announce("t", DType::F32, {4});
  EXPECT_THAT(refusal(none, {good, good}), HasSubstr("one that is taken"));
  EXPECT_THAT(refusal(none, {announce("t", DType::U8, {4})}), HasSubstr("a type among F32"));
  EXPECT_THAT(refusal(none, {announce("t", DType::Q4_0, {40})}), HasSubstr("expected"));
  EXPECT_THAT(refusal(none, {announce("t", DType::F32, {1, 1, 1, 1, 1})}),
              HasSubstr("1 to 4 dimensions, got 5"));
  missing = 1;
  EXPECT_THAT(refusal(none, {good}), HasSubstr("t: expected 16 bytes, got 15"));
}

} // namespace
} // namespace stc
