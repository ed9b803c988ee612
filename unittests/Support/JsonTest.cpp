// Tests of JSON parsing: what is accepted exactly, and everything that must be refused.
#include "stc/Support/Json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::HasSubstr;

TEST(Json, keepsEveryKindOfValue) {
  auto parsed = parseJson(R"( {"null": null, "yes": true, "no": false, "int": -42,
      "big": 9223372036854775807, "small": -9223372036854775808, "double": 1.5e3,
      "text": "a\"\u00e9\ud83d\ude00\n", "list": [1, [2], {}], "empty": []} )",
                          "f");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const JsonValue &root = *parsed;
  ASSERT_TRUE(root.isObject());
  EXPECT_EQ(root.object.size(), 10u);
  EXPECT_EQ(root.object[3].first, "int");
  EXPECT_TRUE(root.find("null")->isNull());
  EXPECT_TRUE(root.find("yes")->boolean);
  EXPECT_FALSE(root.find("no")->boolean);
  EXPECT_EQ(root.find("int")->integer, -42);
  EXPECT_EQ(root.find("int")->number, -42.0);
  EXPECT_TRUE(root.find("int")->isNumber());
  EXPECT_EQ(root.find("big")->integer, INT64_MAX);
  EXPECT_EQ(root.find("small")->integer, INT64_MIN);
  EXPECT_TRUE(root.find("double")->isNumber());
  EXPECT_FALSE(root.find("double")->isInteger());
  EXPECT_EQ(root.find("double")->number, 1500.0);
  EXPECT_EQ(root.find("text")->string, "a\"\xc3\xa9\xf0\x9f\x98\x80\n");
  const JsonValue *list = root.find("list");
  ASSERT_EQ(list->array.size(), 3u);
  EXPECT_EQ(list->array[1].array[0].integer, 2);
  EXPECT_TRUE(list->array[2].isObject());
  EXPECT_EQ(root.find("absent"), nullptr);
  EXPECT_EQ(list->find("x"), nullptr);
}

TEST(Json, acceptsScalarDocuments) {
  EXPECT_EQ(parseJson("7", "f")->integer, 7);
  EXPECT_EQ(parseJson(" \"x\" ", "f")->string, "x");
  EXPECT_TRUE(parseJson("null", "f")->isNull());
  EXPECT_EQ(parseJson("\"\\u0000\"", "f")->string, std::string(1, '\0'));
}

TEST(Json, refusesWhatIsNotStrictJson) {
  struct {
    absl::string_view text, part;
  } cases[] = {
      {"", "valid JSON"},
      {"   ", "valid JSON"},
      {"{", "valid JSON"},
      {"[1,2", "valid JSON"},
      {"]", "valid JSON"},
      {"[1,]", "valid JSON"},
      {"{\"a\":1,}", "valid JSON"},
      {"[1 2]", "valid JSON"},
      {"{\"a\" 1}", "valid JSON"},
      {"{1:2}", "valid JSON"},
      {"{} {}", "valid JSON"},
      {"{}x", "valid JSON"},
      {"// no\n{}", "valid JSON"},
      {"{'a':1}", "valid JSON"},
      {"[NaN]", "valid JSON"},
      {"[Infinity]", "valid JSON"},
      {"[01]", "valid JSON"},
      {"[+1]", "valid JSON"},
      {"[.5]", "valid JSON"},
      {"[1.]", "valid JSON"},
      {"[0x10]", "valid JSON"},
      {"[1e400]", "valid JSON"},
      {"[-1e400]", "valid JSON"},
      {"[truE]", "valid JSON"},
      {"\xef\xbb\xbf{}", "valid JSON"},
      {"\"\n\"", "valid JSON"},
      {"\"\\x41\"", "valid JSON"},
      {"\"\\u12\"", "valid JSON"},
      {"\"open", "valid JSON"},
      {"\"\\", "valid JSON"},
      {"\"\xff\"", "valid JSON"},
      {"\"\xc0\x80\"", "valid JSON"},
      {"\"\xed\xa0\x80\"", "valid JSON"},
      {"\"\\ud800\"", ""},
      {"\"\\udc00\"", ""},
      {"\"\\ud800\\u0041\"", ""},
      {"{\"\\udc00\":1}", ""},
      {"[18446744073709551616]", "valid JSON"},
      {"[9223372036854775808]", "at most 63 bits, got 9223372036854775808"},
      {"[-9223372036854775809]", "valid JSON"},
      {"{\"a\":1,\"b\":2,\"a\":3}", "every key once, got 'a' twice"},
      {"{\"a\":1,\"\\u0061\":3}", "every key once"},
      {"{\"x\":{\"y\":[{\"a\":1,\"a\":2}]}}", "f: x.y[0]: expected every key once"},
      {absl::string_view("{}\0", 3), "valid JSON"},
      {absl::string_view("[\0]", 3), "valid JSON"},
  };
  for (const auto &test : cases) {
    auto parsed = parseJson(test.text, "f");
    ASSERT_FALSE(parsed.ok()) << test.text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(test.part)) << test.text;
    EXPECT_THAT(std::string(parsed.status().message()), testing::StartsWith("f: "));
  }
}

TEST(Json, nestingIsLimited) {
  auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parseJson(nested(64), "f").ok());
  auto tooDeep = parseJson(nested(65), "f");
  ASSERT_FALSE(tooDeep.ok());
  EXPECT_THAT(std::string(tooDeep.status().message()),
              HasSubstr("@0x40: expected JSON nested at most 64 deep, got 65 levels"));
  EXPECT_TRUE(parseJson(nested(3), "f", 3).ok());
  EXPECT_FALSE(parseJson(nested(4), "f", 3).ok());
  EXPECT_TRUE(parseJson("1", "f", 0).ok());
  EXPECT_FALSE(parseJson("[]", "f", 0).ok());
  EXPECT_FALSE(parseJson(std::string(1 << 20, '['), "f").ok());
  EXPECT_FALSE(parseJson(std::string(1 << 20, ']'), "f").ok());
  // Brackets inside strings do not nest.
  EXPECT_TRUE(parseJson("\"" + std::string(1000, '[') + "\\\"[\"", "f").ok());
}

TEST(Json, refusesDocumentsThatWouldSwell) {
  std::string dense = "[0";
  for (int i = 0; i < 2000000; ++i)
    dense += ",0";
  auto parsed = parseJson(dense + "]", "f");
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("8 bytes of memory per byte"));
  // The same number of bytes in longer values is fine.
  std::string text = "[\"\"";
  while (text.size() < dense.size())
    text += ",\"some ordinary string of a vocabulary\"";
  EXPECT_TRUE(parseJson(text + "]", "f").ok());
}

TEST(Json, visitsTheMembersOfAnObject) {
  std::string seen;
  auto visit = [&](const std::string &key, const JsonValue &value) -> absl::Status {
    if (value.isNull())
      return absl::NotFoundError("stop");
    seen += key + (value.isObject() ? value.object[0].first : std::to_string(value.integer));
    return absl::OkStatus();
  };
  ASSERT_TRUE(parseJsonObject(R"({"a":1,"b":{"c":2},"d":3})", "f", 2, visit).ok());
  EXPECT_EQ(seen, "a1bcd3");
  EXPECT_EQ(parseJsonObject(R"({"a":1,"b":null,"c":2})", "f", 2, visit).message(), "stop");
  EXPECT_THAT(std::string(parseJsonObject(R"({"a":1,"a":2})", "f", 2, visit).message()),
              HasSubstr("every key once, got 'a' twice"));
  EXPECT_EQ(parseJsonObject("[]", "f", 2, visit).message(),
            "f: expected an object, got another value");
  EXPECT_FALSE(parseJsonObject("{", "f", 2, visit).ok());
  EXPECT_TRUE(parseJsonObject("{}", "f", 2, visit).ok());
}

TEST(Json, quoteRoundTrips) {
  std::string text;
  for (int i = 0; i < 128; ++i)
    text += char(i);
  text += "\xc3\xa9\xf0\x9f\x98\x80";
  auto parsed = parseJson(jsonQuote(text), "f");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->string, text);
  EXPECT_EQ(jsonQuote("a\"b\\c\n\t\x01"), R"("a\"b\\c\n\t\u0001")");
  EXPECT_EQ(jsonQuote("a\xff"), "\"a\xef\xbf\xbd\"");
}

TEST(Json, textReadsBackAsTheSameValue) {
  std::string text = R"({
  "a": [
    1,
    2.0,
    1e-05,
    0.1,
    1e+300,
    -9223372036854775808
  ],
  "b": {},
  "c": [],
  "d": {
    "e": null,
    "f\n": "\u0001",
    "g": true
  }
})";
  auto value = parseJson(text, "f");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(jsonText(*value), text);
}

} // namespace
} // namespace stc
