// Tests of the safetensors reader: every way a single file can be malformed.
#include "stc/Formats/Safetensors.h"

#include "Builders.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include <fcntl.h>
#include <unistd.h>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string eight(8, '\1');

std::string errorOf(const std::string &bytes) {
  TempFolder folder;
  auto file = SafetensorsFile::open(folder.write("m.safetensors", bytes));
  return file.ok() ? "OK" : std::string(file.status().message());
}

/// A file of one tensor `a` of 8 bytes with the given description.
std::string one(const std::string &dtype, const std::string &shape, const std::string &offsets) {
  return safetensorsBytes("{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
                              ",\"data_offsets\":" + offsets + "}}",
                          eight);
}

TEST(Safetensors, readsTensorsAndMetadata) {
  TempFolder folder;
  std::string path = folder.write(
      "m.safetensors",
      safetensorsBytes("{\"__metadata__\":{\"format\":\"pt\",\"k\":\"v\"},"
                       "\"second\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[6,10]},"
                       "\"first\":{\"dtype\":\"BF16\",\"shape\":[3,1],\"data_offsets\":[0,6]},"
                       "\"none\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[6,6]}}   ",
                       "abcdefghij"));
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::vector<TensorView> &tensors = (*file)->tensors();
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].name, "first");
  EXPECT_EQ(tensors[0].dtype, DType::BF16);
  EXPECT_THAT(tensors[0].shape, ElementsAre(3, 1));
  EXPECT_EQ(std::string(tensors[0].bytes.begin(), tensors[0].bytes.end()), "abcdef");
  EXPECT_EQ(tensors[0].file, path);
  EXPECT_EQ(tensors[1].name, "none");
  EXPECT_EQ(tensors[1].elementCount(), 0);
  EXPECT_EQ(tensors[2].name, "second");
  EXPECT_EQ(tensors[2].elementCount(), 1);
  EXPECT_EQ(std::string(tensors[2].bytes.begin(), tensors[2].bytes.end()), "ghij");
  EXPECT_EQ((*file)->metadata().at("format"), "pt");
  EXPECT_EQ((*file)->metadata().size(), 2u);
}

TEST(Safetensors, acceptsEveryTypeAndAnEmptyFile) {
  EXPECT_EQ(errorOf(safetensorsBytes("{}", "")), "OK");
  for (auto type : {std::pair<const char *, int>{"F64", 1},
                    {"I64", 1},
                    {"F32", 2},
                    {"I32", 2},
                    {"F16", 4},
                    {"BF16", 4},
                    {"I16", 4},
                    {"I8", 8},
                    {"U8", 8},
                    {"BOOL", 8}})
    EXPECT_EQ(errorOf(one(absl::StrCat("\"", type.first, "\""), absl::StrCat("[", type.second, "]"),
                          "[0,8]")),
              "OK");
}

TEST(Safetensors, malformedHeadersAreRefused) {
  std::string good = "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}";
  ASSERT_EQ(errorOf(safetensorsBytes(good, eight)), "OK");
  struct {
    const char *what;
    std::string bytes, part;
  } cases[] = {
      {"empty file", "", "header @0x0: expected at least 8 bytes, got 0"},
      {"file of 7 bytes", std::string(7, '\0'), "at least 8 bytes, got 7"},
      {"no header", std::string(8, '\0'), "header @0x8: expected {"},
      {"length past the file", safetensorsBytes(good.size() + 9, good, eight),
       absl::StrCat("at most ", good.size() + 8, " bytes, got ", good.size() + 9)},
      {"length that wraps", safetensorsBytes(UINT64_MAX, good, eight), "at most"},
      {"length that wraps with the field", safetensorsBytes(UINT64_MAX - 7, good, eight),
       "at most"},
      {"length cut", safetensorsBytes(good.size() - 1, good, eight), "valid JSON"},
      {"not an object", safetensorsBytes("[]", ""), "expected {, got ["},
      {"leading space", safetensorsBytes(" {}", ""), "expected {"},
      {"null", safetensorsBytes("null", ""), "expected {, got n"},
      {"bad UTF-8", safetensorsBytes("{\"\xff\":{}}", ""), "valid JSON"},
      {"trailing junk", safetensorsBytes("{}x", ""), "valid JSON"},
      {"trailing zeros", safetensorsBytes(std::string("{}\0\0", 4), ""), "valid JSON"},
      {"a second document", safetensorsBytes("{}{}", ""), "valid JSON"},
      {"duplicate keys",
       safetensorsBytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
                        "\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
                        eight),
       "every key once"},
      {"duplicate fields",
       safetensorsBytes("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[8],"
                        "\"data_offsets\":[0,8]}}",
                        eight),
       "every key once"},
      {"deep nesting",
       safetensorsBytes("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", ""),
       "nested at most 3 deep"},
      {"deep and open", safetensorsBytes("{\"a\":" + std::string(100000, '['), ""),
       "nested at most 3 deep"},
  };
  for (const auto &test : cases)
    EXPECT_THAT(errorOf(test.bytes), HasSubstr(test.part)) << test.what;
}

TEST(Safetensors, malformedTensorsAreRefused) {
  struct {
    const char *what;
    std::string bytes, part;
  } cases[] = {
      {"unknown dtype", one("\"F33\"", "[2]", "[0,8]"), "a: expected a dtype among F64, F32"},
      {"sub-byte dtype", one("\"F4\"", "[15]", "[0,8]"), "got F4"},
      {"lower-case dtype", one("\"f32\"", "[2]", "[0,8]"), "got f32"},
      {"block dtype", one("\"Q8_0\"", "[32]", "[0,8]"), "got Q8_0"},
      {"dtype no string", one("32", "[2]", "[0,8]"), "got no string"},
      {"shape no list", one("\"F32\"", "2", "[0,8]"), "shape: integers"},
      {"negative size", one("\"F32\"", "[-2]", "[0,8]"), "got -2"},
      {"fractional size", one("\"F32\"", "[2.5]", "[0,8]"), "got 2.5"},
      {"float size", one("\"F32\"", "[2.0]", "[0,8]"), "got 2"},
      {"exponent size", one("\"F32\"", "[2e0]", "[0,8]"), "got 2"},
      {"string size", one("\"F32\"", "[\"2\"]", "[0,8]"), "got no number"},
      {"size past 2^53", one("\"F32\"", "[9007199254740993]", "[0,8]"), "got 9007199254740993"},
      {"size past 2^63", one("\"F32\"", "[9223372036854775808]", "[0,8]"), "at most 63 bits"},
      {"size past 2^64", one("\"F32\"", "[18446744073709551618]", "[0,8]"), "valid JSON"},
      {"product overflow", one("\"F32\"", "[4294967296,4294967296]", "[0,8]"), "2^63"},
      {"product wraps to 2", one("\"U8\"", "[9007199254740992,2048,8]", "[0,8]"), "2^63"},
      {"product overflow before a zero", one("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"),
       "2^63"},
      {"byte size overflow", one("\"F64\"", "[2147483648,2147483648]", "[0,8]"), "2^63"},
      {"nine dimensions", one("\"U8\"", "[8,1,1,1,1,1,1,1,1]", "[0,8]"), "at most 8 dimensions"},
      {"end before begin", one("\"F32\"", "[2]", "[8,0]"), "the end first"},
      {"one offset", one("\"F32\"", "[2]", "[8]"), "got 1 numbers"},
      {"three offsets", one("\"F32\"", "[2]", "[0,8,8]"), "got 3 numbers"},
      {"negative offset", one("\"F32\"", "[2]", "[-8,0]"), "got -8"},
      {"end past the file", one("\"F32\"", "[3]", "[0,12]"), "data within 8 bytes, got 12"},
      {"far past the file", one("\"F32\"", "[2]", "[9007199254740984,9007199254740992]"),
       "data within 8 bytes"},
      {"size against offsets", one("\"F32\"", "[1]", "[0,8]"), "expected 4 bytes"},
      {"size against offsets", one("\"F32\"", "[3]", "[0,8]"), "expected 12 bytes"},
      {"tensor no object", safetensorsBytes("{\"a\":3}", ""), "dtype, shape and data_offsets"},
      {"missing field", safetensorsBytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[8]}}", eight),
       "dtype, shape and data_offsets"},
      {"extra field",
       safetensorsBytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8],\"x\":1}}",
                        eight),
       "dtype, shape and data_offsets"},
      {"metadata no object", safetensorsBytes("{\"__metadata__\":[]}", ""), "an object of strings"},
      {"metadata number", safetensorsBytes("{\"__metadata__\":{\"k\":1}}", ""), "a string for 'k'"},
  };
  for (const auto &test : cases) {
    std::string message = errorOf(test.bytes);
    EXPECT_THAT(message, HasSubstr(test.part)) << test.what;
    EXPECT_THAT(message, HasSubstr("m.safetensors: ")) << test.what;
  }
}

TEST(Safetensors, dataIsCoveredExactlyOnce) {
  auto two = [](const std::string &first, const std::string &second, size_t size) {
    return safetensorsBytes(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + first +
            "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + second + "}}",
        std::string(size, 'x'));
  };
  EXPECT_EQ(errorOf(two("[0,4]", "[4,8]", 8)), "OK");
  EXPECT_EQ(errorOf(two("[4,8]", "[0,4]", 8)), "OK");
  EXPECT_THAT(errorOf(two("[0,4]", "[3,7]", 7)), HasSubstr("an overlap"));
  EXPECT_THAT(errorOf(two("[0,4]", "[0,4]", 4)), HasSubstr("an overlap"));
  EXPECT_THAT(errorOf(two("[0,4]", "[5,9]", 9)), HasSubstr("a hole"));
  EXPECT_THAT(errorOf(two("[1,5]", "[5,9]", 9)), HasSubstr("a hole"));
  EXPECT_THAT(errorOf(two("[0,4]", "[4,8]", 9)),
              HasSubstr("the end of the file, got 1 bytes that belong to no tensor"));
  EXPECT_THAT(errorOf(safetensorsBytes("{}", "x")), HasSubstr("the end of the file"));
}

TEST(Safetensors, numberOfTensorsIsLimited) {
  std::string header = "{\"a0\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
  for (int i = 1; i < 100000; ++i)
    absl::StrAppend(&header, ",\"a", i,
                    "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
  EXPECT_EQ(errorOf(safetensorsBytes(header + "}", "")), "OK");
  absl::StrAppend(&header, ",\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
  EXPECT_THAT(errorOf(safetensorsBytes(header, "")), HasSubstr("at most 100000 tensors"));
}

TEST(Safetensors, hugeFilesOpenAtOnce) {
  TempFolder folder;
  // 5 GB of holes: nothing of the data may be read to open it.
  uint64_t size = 5'000'000'000;
  std::string path = folder.write(
      "m.safetensors", safetensorsBytes(absl::StrCat("{\"a\":{\"dtype\":\"U8\",\"shape\":[", size,
                                                     "],\"data_offsets\":[0,", size, "]}}"),
                                        ""));
  ASSERT_EQ(truncate(path.c_str(), off_t(std::filesystem::file_size(path) + size)), 0);
  auto start = std::chrono::steady_clock::now();
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_EQ((*file)->tensors()[0].bytes.size(), size);
  EXPECT_EQ((*file)->tensors()[0].bytes[size - 1], 0);
}

TEST(Safetensors, headerIsLimitedTo100Megabytes) {
  TempFolder folder;
  std::string path = folder.write("m.safetensors", safetensorsBytes(100'000'001, "{}", ""));
  ASSERT_EQ(truncate(path.c_str(), 200'000'000), 0);
  auto file = SafetensorsFile::open(path);
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(std::string(file.status().message()),
              HasSubstr("header @0x0: expected a header of at most 100000000 bytes"));
}

} // namespace
} // namespace stc
