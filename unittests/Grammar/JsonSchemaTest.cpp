// Schemas: what their grammars accept, and the keywords that are refused.
#include "stc/Grammar/JsonSchema.h"

#include "stc/Grammar/Grammar.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::HasSubstr;

bool accepts(absl::string_view schema, absl::string_view text) {
  auto grammar = grammarOfSchema(schema, "s.json");
  EXPECT_TRUE(grammar.ok()) << grammar.status();
  if (!grammar.ok())
    return false;
  auto parsed = Grammar::parse(*grammar, "s.json");
  EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << *grammar;
  if (!parsed.ok())
    return false;
  GrammarMatcher matcher(*parsed);
  GrammarMatcher::State state = matcher.start();
  for (char byte : text)
    state = *matcher.next(state, uint8_t(byte));
  return matcher.canEnd(state);
}

std::string refusal(absl::string_view schema) {
  auto grammar = grammarOfSchema(schema, "s.json");
  if (grammar.ok()) {
    auto parsed = Grammar::parse(*grammar, "s.json");
    EXPECT_FALSE(parsed.ok()) << schema;
    return std::string(parsed.status().message());
  }
  return std::string(grammar.status().message());
}

void expect(absl::string_view schema, std::initializer_list<const char *> valid,
            std::initializer_list<const char *> invalid) {
  for (const char *text : valid)
    EXPECT_TRUE(accepts(schema, text)) << schema << " refuses " << text;
  for (const char *text : invalid)
    EXPECT_FALSE(accepts(schema, text)) << schema << " accepts " << text;
}

TEST(JsonSchema, Types) {
  expect(R"({"type":"string"})", {"\"a\"", "\"\""}, {"1", "\"a"});
  expect(R"({"type":"integer"})", {"0", "-12"}, {"1.5", "01", "\"1\""});
  expect(R"({"type":"number"})", {"0", "-1.5e3"}, {"x"});
  expect(R"({"type":"boolean"})", {"true", "false"}, {"null"});
  expect(R"({"type":["null","integer"]})", {"null", "7"}, {"true"});
  expect("true", {"[1, {\"a\": null}]"}, {"["});
  expect("{}", {"1", "\"x\""}, {""});
}

TEST(JsonSchema, Objects) {
  const char *schema = R"({"type":"object","properties":{
      "name":{"type":"string"},"age":{"type":"integer"},"tag \"x\"":{"type":"boolean"},
      "last":{"type":"null"}},"required":["name","last"],"additionalProperties":false})";
  expect(schema,
         {R"({"name": "a", "age": 3, "tag \"x\"": true, "last": null})",
          R"({"name":"a","last":null})", R"({"name": "a", "age": 3,"last":null})",
          "{\n  \"name\": \"a\", \"last\": null}"},
         {R"({"name": "a"})", R"({"last": null})", R"({"last": null, "name": "a"})", "{}",
          R"({"name": "a", "last": null, "more": 1})", R"({"name": 1, "last": null})",
          R"({"name": "a" "last": null})", R"({"name": "a", , "last": null})",
          R"({"name": "a", "last": null,})"});
  expect(R"({"properties":{"a":{"type":"integer"},"b":{"type":"integer"}}})",
         {"{}", R"({"a": 1})", R"({"b": 1})", R"({"a": 1, "b": 2})"},
         {R"({"b": 1, "a": 2})", R"({, "b": 1})", R"({"a": 1,})"});
  expect(R"({"type":"object"})", {"{}", R"({"x": [1]})"}, {"[]"});
  expect(R"({"type":"object","additionalProperties":{"type":"integer"}})",
         {"{}", R"({"x": 1, "y": 2})"}, {R"({"x": "1"})"});
  expect(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"x": 1})"});
}

TEST(JsonSchema, Arrays) {
  expect(R"({"type":"array","items":{"type":"integer"}})", {"[]", "[1]", "[1, 2,3]"},
         {"[\"1\"]", "[1", "[1 2]"});
  expect(R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
         {"[1,2]", "[1, 2, 3]"}, {"[]", "[1]", "[1,2,3,4]"});
  expect(R"({"type":"array","minItems":1})", {"[null]", "[[], {}]"}, {"[]"});
  expect(R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"});
}

TEST(JsonSchema, ValuesAndLengths) {
  expect(R"({"enum":["red","green\n",3,null,{"a":[1]}]})",
         {"\"red\"", "\"green\\n\"", "3", "null", "{\"a\":[1]}"}, {"\"blue\"", "\"re\""});
  expect(R"({"const":"x\"y"})", {"\"x\\\"y\""}, {"\"x\""});
  expect(R"({"type":"string","minLength":2,"maxLength":3})",
         {"\"ab\"", "\"a\\u00e9b\"", "\"\xE4\xB8\xAD\xE6\x96\x87\""}, {"\"a\"", "\"abcd\""});
  expect(R"({"anyOf":[{"type":"integer"},{"type":"string","minLength":1}]})", {"1", "\"a\""},
         {"\"\"", "null"});
}

TEST(JsonSchema, References) {
  const char *tree = R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{
      "value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},
      "required":["value"]}}})";
  expect(tree, {R"({"value": 1})", R"({"value": 1, "children": [{"value": 2}, {"value": 3}]})"},
         {"{}", R"({"value": 1, "children": [1]})"});
  expect(R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[], [[]]]"}, {"[1]"});
  EXPECT_THAT(refusal(R"({"$ref":"#/$defs/none"})"),
              HasSubstr("s.json: schema.$ref: expected a reference to a part of the schema, got "
                        "'#/$defs/none'"));
  EXPECT_THAT(refusal(R"({"$ref":"http://x"})"), HasSubstr("within the document"));
  EXPECT_THAT(refusal(R"({"$ref":"#"})"), HasSubstr("rules that do not begin with themselves"));
}

TEST(JsonSchema, RefusesWhatItWouldIgnore) {
  EXPECT_EQ(refusal(R"({"properties":{"age":{"type":"integer","minimum":0}}})"),
            "s.json: schema.properties.age: expected the keywords type, properties, required, "
            "additionalProperties, items, minItems, maxItems, minLength, maxLength, enum, const, "
            "anyOf, oneOf or $ref, got 'minimum'");
  for (const char *schema :
       {R"({"type":"string","pattern":"a*"})", R"({"not":{}})", R"({"allOf":[{}]})"})
    EXPECT_THAT(refusal(schema), HasSubstr("schema: expected the keywords"));
  EXPECT_THAT(refusal("false"), HasSubstr("expected an object or true, got false"));
  EXPECT_THAT(refusal("7"), HasSubstr("expected an object or true, got a number"));
  EXPECT_THAT(refusal(R"({"type":"date"})"), HasSubstr("schema.type: expected object, array"));
  EXPECT_THAT(refusal(R"({"type":7})"), HasSubstr("schema.type: expected a type or a list"));
  EXPECT_THAT(refusal(R"({"type":[7]})"), HasSubstr("schema.type: expected object, array"));
  EXPECT_THAT(refusal(R"({"enum":[]})"), HasSubstr("schema.enum: expected a list of values"));
  EXPECT_THAT(refusal(R"({"enum":7})"), HasSubstr("schema.enum: expected a list of values"));
  EXPECT_THAT(refusal(R"({"anyOf":{}})"), HasSubstr("schema.anyOf: expected a list of schemas"));
  EXPECT_THAT(refusal(R"({"properties":[]})"), HasSubstr("schema.properties: expected an object"));
  EXPECT_THAT(refusal(R"({"properties":{},"required":["a"]})"), HasSubstr("names of properties"));
  EXPECT_THAT(refusal(R"({"properties":{"a":{}},"required":"a"})"), HasSubstr("a list of names"));
  EXPECT_THAT(refusal(R"({"type":"object","required":["a"]})"), HasSubstr("properties beside it"));
  EXPECT_THAT(refusal(R"({"type":"array","minItems":-1})"),
              HasSubstr("a number from 0 on, got -1"));
  EXPECT_THAT(refusal(R"({"type":"array","minItems":2,"maxItems":1})"),
              HasSubstr("schema.maxItems: expected at least 2, got 1"));
  EXPECT_THAT(refusal(R"({"type":"string","maxLength":1e9})"), HasSubstr("a number from 0 on"));
  EXPECT_THAT(refusal(R"({"type":"string","maxLength":1000000000})"), HasSubstr("50000 items"));
}

TEST(JsonSchema, RefusesBrokenDocuments) {
  for (const char *text : {"", "{", "{\"type\":}", "{} x", "{\"a\":\"\xFF\"}", "[1,]"})
    EXPECT_THAT(refusal(text), HasSubstr("s.json: schema: expected JSON")) << text;
  EXPECT_THAT(refusal(R"({"type":"string","type":"integer"})"),
              HasSubstr("expected every key once, got 'type' again"));
  EXPECT_THAT(refusal("{\"enum\":[" + std::string(100000, '[') + std::string(100000, ']') + "]}"),
              HasSubstr("at most 128 levels of nesting"));
  std::string nested;
  for (int i = 0; i < 63; ++i)
    nested += "{\"items\":";
  EXPECT_TRUE(grammarOfSchema(nested + "true" + std::string(63, '}'), "s").ok());
  EXPECT_THAT(refusal("{\"items\":{\"items\":" + nested + "true" + std::string(65, '}')),
              HasSubstr("at most 64 levels of nesting"));
  EXPECT_THAT(refusal(std::string((1 << 20) + 1, ' ')), HasSubstr("at most 1048576 bytes"));
}

} // namespace
} // namespace stc
