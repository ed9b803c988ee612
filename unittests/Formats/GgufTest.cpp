// Tests of the GGUF reader: what it reads, and every lie a file can tell.
#include "stc/Formats/Gguf.h"

#include "Builders.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include <cmath>
#include <limits>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using B = GgufBuilder;

std::string errorOf(const std::string &bytes) {
  TempFolder folder;
  auto file = GgufFile::open(folder.write("m.gguf", bytes));
  return file.ok() ? "OK" : std::string(file.status().message());
}

TEST(Gguf, readsEveryKindOfMetadata) {
  for (uint32_t version : {2, 3}) {
    GgufBuilder builder;
    builder.version = version;
    builder.scalar("u8", B::u8, uint8_t(200)).scalar("i8", B::i8, int8_t(-100));
    builder.scalar("u16", B::u16, uint16_t(60000)).scalar("i16", B::i16, int16_t(-30000));
    builder.scalar("u32", B::u32, uint32_t(4000000000)).scalar("i32", B::i32, int32_t(-5));
    builder.scalar("u64", B::u64, uint64_t(INT64_MAX)).scalar("i64", B::i64, INT64_MIN);
    builder.scalar("f32", B::f32, 1.5f).scalar("f64", B::f64, -0.1);
    builder.scalar("yes", B::boolean, uint8_t(1)).scalar("no", B::boolean, uint8_t(0));
    builder.str("text", std::string("a\0b", 3)).str("empty", "");
    builder.list("texts", B::string, 3, B::text("x") + B::text("") + B::text("yz"));
    builder.list("ints", B::i16, 2, bytesOf(int16_t(-1)) + bytesOf(int16_t(7)));
    builder.list("flags", B::boolean, 2, std::string("\1\0", 2));
    builder.list("floats", B::f32, 2, bytesOf(0.5f) + bytesOf(-2.f));
    builder.list("nothing", B::u64, 0, "");
    TempFolder folder;
    auto file = GgufFile::open(folder.write("m.gguf", builder.build()));
    ASSERT_TRUE(file.ok()) << file.status();
    auto integer = [&](const char *key) { return (*file)->find(key)->integer; };
    EXPECT_EQ(integer("u8"), 200);
    EXPECT_EQ(integer("i8"), -100);
    EXPECT_EQ(integer("u16"), 60000);
    EXPECT_EQ(integer("i16"), -30000);
    EXPECT_EQ(integer("u32"), 4000000000);
    EXPECT_EQ(integer("i32"), -5);
    EXPECT_EQ((*file)->find("i32")->number, -5.0);
    EXPECT_EQ(integer("u64"), INT64_MAX);
    EXPECT_EQ(integer("i64"), INT64_MIN);
    EXPECT_EQ((*file)->find("f32")->number, 1.5);
    EXPECT_EQ((*file)->find("f64")->number, -0.1);
    EXPECT_EQ(integer("yes"), 1);
    EXPECT_EQ(integer("no"), 0);
    EXPECT_EQ((*file)->find("text")->string, absl::string_view("a\0b", 3));
    EXPECT_EQ((*file)->find("empty")->string, "");
    EXPECT_THAT((*file)->find("texts")->strings, ElementsAre("x", "", "yz"));
    EXPECT_THAT((*file)->find("ints")->integers, ElementsAre(-1, 7));
    EXPECT_THAT((*file)->find("flags")->integers, ElementsAre(1, 0));
    EXPECT_THAT((*file)->find("floats")->numbers, ElementsAre(0.5, -2));
    EXPECT_TRUE((*file)->find("nothing")->integers.empty());
    EXPECT_EQ((*file)->find("absent"), nullptr);
    EXPECT_EQ((*file)->metadata().size(), 19u);
    EXPECT_EQ((*file)->find("u8")->offset, 24u);
  }
}

TEST(Gguf, readsTensorsOfEveryTypeWithTheFastestDimensionLast) {
  GgufBuilder builder;
  builder.number("general.alignment", 64);
  struct {
    uint32_t code;
    DType dtype;
    uint64_t rowBytes;
  } types[] = {{0, DType::F32, 1024},    {1, DType::F16, 512},     {2, DType::Q4_0, 144},
               {3, DType::Q4_1, 160},    {6, DType::Q5_0, 176},    {7, DType::Q5_1, 192},
               {8, DType::Q8_0, 272},    {10, DType::Q2_K, 84},    {11, DType::Q3_K, 110},
               {12, DType::Q4_K, 144},   {13, DType::Q5_K, 176},   {14, DType::Q6_K, 210},
               {20, DType::IQ4_NL, 144}, {23, DType::IQ4_XS, 136}, {24, DType::I8, 256},
               {25, DType::I16, 512},    {26, DType::I32, 1024},   {27, DType::I64, 2048},
               {28, DType::F64, 2048},   {30, DType::BF16, 512},   {39, DType::MXFP4, 136},
               {40, DType::NVFP4, 144}};
  uint64_t offset = 0;
  for (const auto &type : types) {
    builder.tensor(absl::StrCat("t", type.code), {256, 3}, type.code, offset);
    offset = (offset + 3 * type.rowBytes + 63) / 64 * 64;
  }
  std::string data(offset, '\0');
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = char(i * 31);
  TempFolder folder;
  auto file = GgufFile::open(folder.write("m.gguf", builder.build(data, 64)));
  ASSERT_TRUE(file.ok()) << file.status();
  const std::vector<TensorView> &tensors = (*file)->tensors();
  ASSERT_EQ(tensors.size(), std::size(types));
  offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].dtype, types[i].dtype);
    EXPECT_THAT(tensors[i].shape, ElementsAre(3, 256));
    ASSERT_EQ(tensors[i].bytes.size(), 3 * types[i].rowBytes);
    EXPECT_EQ(tensors[i].offset % 64, 0u);
    EXPECT_EQ(tensors[i].bytes[1], uint8_t((offset + 1) * 31));
    offset = (offset + 3 * types[i].rowBytes + 63) / 64 * 64;
  }
}

TEST(Gguf, theLastTensorNeedsNoPadding) {
  GgufBuilder builder;
  builder.tensor("a", {3}, 0, 0).tensor("b", {1, 1, 1, 2}, 0, 32);
  std::string data(40, 'x');
  EXPECT_EQ(errorOf(builder.build(data)), "OK");
  EXPECT_EQ(errorOf(builder.build(data + std::string(24, '\0'))), "OK");
  EXPECT_EQ(errorOf(builder.build(data + std::string(31, '\0'))), "OK");
  EXPECT_THAT(errorOf(builder.build(data + std::string(32, '\0'))),
              HasSubstr("expected the end of the file, got 32 more bytes"));
}

TEST(Gguf, malformedHeadersAreRefused) {
  std::string empty = GgufBuilder().build();
  ASSERT_EQ(errorOf(empty), "OK");
  auto with = [](uint32_t version, uint64_t tensors, uint64_t keys) {
    GgufBuilder builder;
    builder.number("k", 1).tensor("a", {8}, 0, 0);
    builder.version = version;
    builder.tensorCount = tensors;
    builder.keyCount = keys;
    return builder.build(std::string(32, 'x'));
  };
  ASSERT_EQ(errorOf(with(3, 1, 1)), "OK");
  GgufBuilder magic;
  magic.magic = "GGML";
  struct {
    const char *what;
    std::string bytes, part;
  } cases[] = {
      {"empty file", "", "header @0x0: expected at least 24 bytes, got 0"},
      {"short file", empty.substr(0, 23), "at least 24 bytes, got 23"},
      {"magic", magic.build(), "magic @0x0: expected GGUF, got GGML"},
      {"zero magic", std::string(64, '\0'), "magic @0x0: expected GGUF, got \\x00"},
      {"version 0", with(0, 1, 1), "version @0x4: expected 2 or 3, got 0"},
      {"version 1", with(1, 1, 1), "expected 2 or 3, got 1"},
      {"version 4", with(4, 1, 1), "expected 2 or 3, got 4"},
      {"big-endian", with(0x03000000, 1, 1), "a little-endian file, got a big-endian one"},
      {"big-endian 2", with(0x02000000, 1, 1), "a little-endian file, got a big-endian one"},
      {"tensor count", with(3, 1000, 1), "tensor count @0x8: expected at most"},
      {"huge tensor count", with(3, UINT64_MAX, 1), "tensor count @0x8: expected at most"},
      {"tensor count that wraps", with(3, (UINT64_MAX / 33) + 2, 1), "tensor count @0x8"},
      {"key count", with(3, 1, 1000), "metadata count @0x10: expected at most"},
      {"huge key count", with(3, 1, UINT64_MAX), "metadata count @0x10: expected at most"},
      {"one tensor more", with(3, 2, 1), "tensor name"},
      {"one key more", with(3, 1, 2), ""},
  };
  for (const auto &test : cases) {
    std::string message = errorOf(test.bytes);
    EXPECT_NE(message, "OK") << test.what;
    EXPECT_THAT(message, HasSubstr(test.part)) << test.what;
  }
}

TEST(Gguf, malformedMetadataIsRefused) {
  auto key = [](uint32_t type, const std::string &bytes) {
    return GgufBuilder().raw("k", type, bytes).build();
  };
  auto list = [](uint32_t type, uint64_t count, const std::string &bytes) {
    return GgufBuilder().list("k", type, count, bytes).build();
  };
  std::string pad(16, '\0'); // so that the file has room for its counts
  struct {
    const char *what;
    std::string bytes, part;
  } cases[] = {
      {"unknown type", key(13, pad), "k @0x21: expected a value type from 0 to 12, got 13"},
      {"huge type", key(UINT32_MAX, pad), "expected a value type"},
      {"cut value", key(B::u32, "ab"), "k @0x25: expected 4 bytes, got 2 before the end"},
      {"boolean 2", key(B::boolean, "\2"), "a boolean of 0 or 1, got 2"},
      {"integer past 2^63", key(B::u64, bytesOf(uint64_t(1) << 63)), "below 2^63"},
      {"string past the file", key(B::string, bytesOf(uint64_t(17)) + pad),
       "a string of at most 16 bytes, got 17"},
      {"huge string", key(B::string, bytesOf(UINT64_MAX) + pad), "a string of at most 16 bytes"},
      {"string that wraps", key(B::string, bytesOf(UINT64_MAX - 40) + pad), "at most 16 bytes"},
      {"nested array", list(B::array, 1, bytesOf(B::u8) + bytesOf(uint64_t(1)) + "x"),
       "an array of plain values, got an array of arrays"},
      {"element type", list(99, 1, pad), "expected a value type from 0 to 12, got 99"},
      {"array past the file", list(B::u32, 5, pad), "at most 4 elements, got 5"},
      {"huge array", list(B::u8, UINT64_MAX, pad), "at most 16 elements"},
      {"array that wraps", list(B::u64, (uint64_t(1) << 61) + 1, pad), "at most 2 elements"},
      {"array of strings past the file", list(B::string, 3, pad), "at most 2 elements, got 3"},
      {"huge array of strings", list(B::string, UINT64_MAX / 8, pad), "at most 2 elements"},
      {"string in an array past the file", list(B::string, 1, bytesOf(uint64_t(9)) + "12345678"),
       "a string of at most 8 bytes, got 9"},
      {"boolean 3 in an array", list(B::boolean, 2, "\1\3"), "a boolean of 0 or 1, got 3"},
      {"u64 in an array", list(B::u64, 1, bytesOf(UINT64_MAX)), "below 2^63"},
      {"empty key", GgufBuilder().number("", 1).number("k", 1).build(), "a UTF-8 name of 1 to"},
      {"bad UTF-8 in a key", GgufBuilder().number("k\xff", 1).build(), "a UTF-8 name of 1 to"},
      {"key of 65536 bytes", GgufBuilder().number(std::string(65536, 'k'), 1).build(),
       "a UTF-8 name of 1 to 65535 bytes"},
      {"key twice", GgufBuilder().number("k", 1).number("k", 1).build(), "every key once"},
  };
  for (const auto &test : cases) {
    std::string message = errorOf(test.bytes);
    EXPECT_THAT(message, HasSubstr(test.part)) << test.what;
    EXPECT_THAT(message, HasSubstr("m.gguf: ")) << test.what;
  }
}

TEST(Gguf, numbersOfAllArraysAreLimited) {
  std::string half((1 << 23) + 1, '\0');
  GgufBuilder one, two;
  one.list("a", B::u8, half.size(), half);
  two.list("a", B::u8, half.size(), half).list("b", B::u8, half.size(), half);
  EXPECT_EQ(errorOf(one.build()), "OK");
  EXPECT_THAT(errorOf(two.build()), HasSubstr("at most 16777216 numbers in all arrays"));
}

TEST(Gguf, alignmentIsAPowerOfTwo) {
  auto aligned = [](uint32_t value) {
    return errorOf(GgufBuilder()
                       .number("general.alignment", value)
                       .tensor("a", {2}, 0, 0)
                       .build(std::string(8, 'x'), value ? value : 32));
  };
  for (uint32_t good : {8, 16, 32, 64, 4096})
    EXPECT_EQ(aligned(good), "OK") << good;
  for (uint32_t bad : {0, 1, 3, 12, 33, 96})
    EXPECT_THAT(aligned(bad), HasSubstr("general.alignment @0x18: expected a power of two"));
  GgufBuilder huge;
  huge.number("general.alignment", 0x80000000).tensor("a", {2}, 0, 0);
  EXPECT_THAT(errorOf(huge.build(std::string(8, 'x'))), HasSubstr("expected a power of two"));
  GgufBuilder wrong;
  wrong.str("general.alignment", "32").tensor("a", {2}, 0, 0);
  EXPECT_THAT(errorOf(wrong.build(std::string(8, 'x'))), HasSubstr("got no integer"));
  GgufBuilder negative;
  negative.scalar("general.alignment", B::i32, int32_t(-32)).tensor("a", {2}, 0, 0);
  EXPECT_THAT(errorOf(negative.build(std::string(8, 'x'))), HasSubstr("got -32"));
}

TEST(Gguf, malformedTensorsAreRefused) {
  auto tensor = [](const std::vector<uint64_t> &dims, uint32_t type, uint64_t offset,
                   size_t dataBytes = 64) {
    GgufBuilder builder;
    builder.tensor("a", dims, type, offset);
    return builder.build(std::string(dataBytes, 'x'));
  };
  ASSERT_EQ(errorOf(tensor({16}, 0, 0)), "OK");
  uint64_t big = uint64_t(1) << 32;
  struct {
    const char *what;
    std::string bytes, part;
  } cases[] = {
      {"no dimensions", tensor({}, 0, 0), "a @0x18: expected 1 to 4 dimensions, got 0"},
      {"five dimensions", tensor({16, 1, 1, 1, 1}, 0, 0), "1 to 4 dimensions, got 5"},
      {"dimension 0", tensor({16, 0}, 0, 0), "dimensions from 1"},
      {"negative dimension", tensor({UINT64_MAX}, 0, 0), "dimensions from 1"},
      {"product wraps to 16", tensor({big, big, 16}, 0, 0), "fewer than 2^63"},
      {"elements x type size wraps", tensor({uint64_t(1) << 62}, 0, 0), "fewer than 2^63 bytes"},
      {"just too large", tensor({17}, 0, 0), "68 bytes of data, got 64 before the end"},
      {"size as int", tensor({big + 16}, 24, 0), "4294967312 bytes of data, got 64"},
      {"unknown type", tensor({16}, 99, 0), "a tensor type among F32, F16"},
      {"type we lack", tensor({256}, 16, 0), "got IQ2_XXS (type 16)"},
      {"removed type", tensor({16}, 4, 0), "got type 4"},
      {"row no multiple of the block", tensor({31, 32}, 8, 0), "rows of a multiple of 32"},
      {"row no multiple of the superblock", tensor({64, 4}, 12, 0), "rows of a multiple of 256"},
      {"offset unaligned", tensor({4}, 0, 8), "an offset that is a multiple of 32, got 0x8"},
      {"offset past the file", tensor({16}, 0, 96), "data that follows at 0x0, got 0x60"},
      {"huge offset", tensor({16}, 0, UINT64_MAX - 31), "data that follows at 0x0"},
      {"a hole before", tensor({8}, 0, 32), "data that follows at 0x0, got 0x20"},
      {"dims smaller than the data", tensor({4}, 0, 0), "the end of the file, got 48 more bytes"},
      {"name in bad UTF-8", GgufBuilder().tensor("\xc0", {1}, 0, 0).build("data"), "a UTF-8 name"},
      {"empty name", GgufBuilder().tensor("", {1, 1}, 0, 0).build("data"), "a UTF-8 name"},
  };
  for (const auto &test : cases)
    EXPECT_THAT(errorOf(test.bytes), HasSubstr(test.part)) << test.what;
}

TEST(Gguf, tensorsNeitherOverlapNorLeaveHoles) {
  auto two = [](uint64_t first, uint64_t second, size_t dataBytes, const char *name = "b") {
    GgufBuilder builder;
    builder.tensor("a", {12}, 0, first).tensor(name, {8}, 0, second);
    return errorOf(builder.build(std::string(dataBytes, 'x')));
  };
  EXPECT_EQ(two(0, 64, 96), "OK"); // 48 bytes, padded to 64, then 32
  EXPECT_EQ(two(32, 0, 80), "OK");
  EXPECT_THAT(two(0, 32, 64), HasSubstr("b @0x"));
  EXPECT_THAT(two(0, 0, 64), HasSubstr("data that follows at"));
  EXPECT_THAT(two(0, 96, 128), HasSubstr("data that follows at 0x40, got 0x60"));
  EXPECT_THAT(two(0, 64, 96, "a"), HasSubstr("every tensor once"));
}

TEST(Gguf, sumsOfSizesDoNotWrap) {
  // Two tensors whose sizes add up to a small number modulo 2^64.
  uint64_t half = uint64_t(1) << 62;
  GgufBuilder builder;
  builder.tensor("a", {half, 1}, 24, 0).tensor("b", {half, 3}, 24, half);
  EXPECT_THAT(errorOf(builder.build(std::string(64, 'x'))), HasSubstr("a @0x"));
}

TEST(Gguf, aMissingDataSectionIsAnError) {
  GgufBuilder builder;
  builder.tensor("a", {1}, 0, 0);
  std::string bytes = builder.build();
  size_t gap = (32 - bytes.size() % 32) % 32;
  for (size_t more = 0; more < gap + 4 + 32; ++more)
    EXPECT_EQ(errorOf(bytes + std::string(more, 'x')) == "OK", more >= gap + 4) << more;
}

} // namespace
} // namespace stc
