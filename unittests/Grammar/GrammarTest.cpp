// Grammars: what they accept, against hand-written texts and a slow matcher, and what is refused.
#include "stc/Grammar/Grammar.h"

#include "stc/Support/Random.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Grammar> parseOrDie(absl::string_view text) {
  auto grammar = Grammar::parse(text, "test.gbnf");
  EXPECT_TRUE(grammar.ok()) << grammar.status();
  return grammar.ok() ? *grammar : nullptr;
}

std::string refusal(absl::string_view text) {
  auto grammar = Grammar::parse(text, "test.gbnf");
  EXPECT_FALSE(grammar.ok()) << text;
  return grammar.ok() ? "" : std::string(grammar.status().message());
}

/// "no": no text begins so; "begins": more has to come; "yes": it is a text.
std::string match(const std::shared_ptr<const Grammar> &grammar, absl::string_view text,
                  bool forgetful = false) {
  GrammarMatcher matcher(grammar);
  GrammarMatcher::State state = matcher.start();
  for (char byte : text) {
    auto next = matcher.next(state, uint8_t(byte));
    EXPECT_TRUE(next.ok()) << next.status();
    state = forgetful ? matcher.forgetOthers(*next) : *next;
  }
  return state == GrammarMatcher::kDead ? "no" : matcher.canEnd(state) ? "yes" : "begins";
}
std::string match(absl::string_view grammar, absl::string_view text) {
  return match(parseOrDie(grammar), text);
}

TEST(Grammar, Alternatives) {
  const char *grammar = "root ::= \"yes\" | \"no\" # both\n";
  EXPECT_EQ(match(grammar, "yes"), "yes");
  EXPECT_EQ(match(grammar, "no"), "yes");
  EXPECT_EQ(match(grammar, "ye"), "begins");
  EXPECT_EQ(match(grammar, ""), "begins");
  EXPECT_EQ(match(grammar, "maybe"), "no");
  EXPECT_EQ(match(grammar, "yesno"), "no");
}

TEST(Grammar, Repetition) {
  EXPECT_EQ(match("root ::= \"ab\"*", ""), "yes");
  EXPECT_EQ(match("root ::= \"ab\"*", "ababab"), "yes");
  EXPECT_EQ(match("root ::= \"ab\"*", "aba"), "begins");
  EXPECT_EQ(match("root ::= \"a\"+ \"b\"?", "aa"), "yes");
  EXPECT_EQ(match("root ::= \"a\"+ \"b\"?", "b"), "no");
  EXPECT_EQ(match("root ::= [ab]{2}", "ab"), "yes");
  EXPECT_EQ(match("root ::= [ab]{2}", "aba"), "no");
  EXPECT_EQ(match("root ::= [ab]{2,}", "ababb"), "yes");
  EXPECT_EQ(match("root ::= [ab]{2,}", "a"), "begins");
  for (const auto &[text, expected] :
       {std::pair("a", "begins"), {"aa", "yes"}, {"aaa", "yes"}, {"aaaa", "yes"}, {"aaaaa", "no"}})
    EXPECT_EQ(match("root ::= \"a\"{2,4}", text), expected) << text;
  EXPECT_EQ(match("root ::= ( \"a\" | \"b\" \"c\" )* \"d\"", "abcbcad"), "yes");
}

TEST(Grammar, RulesAndNesting) {
  const char *grammar = "root ::= \"(\" inner \")\"\ninner ::= root* | \"x\"\n";
  EXPECT_EQ(match(grammar, "(()(x)(()))"), "yes");
  EXPECT_EQ(match(grammar, "(()"), "begins");
  EXPECT_EQ(match(grammar, "())"), "no");
  std::string deep = std::string(500, '(') + std::string(500, ')');
  EXPECT_EQ(match(grammar, deep), "yes");
  EXPECT_EQ(match("# first\nroot ::=\n  a |\n  \"c\"\n\na ::= \"a\" ( \"b\"\n )\n", "ab"), "yes");
}

TEST(Grammar, ClassesAreCharacters) {
  const char *grammar = "root ::= [a-c\\u00e9\xD0\xB0-\xD1\x8F\\U0001F600]+";
  EXPECT_EQ(match(grammar, "ab\xC3\xA9\xD0\xB6\xF0\x9F\x98\x80"), "yes");
  EXPECT_EQ(match(grammar, "d"), "no");
  EXPECT_EQ(match(grammar, "\xC3"), "begins");
  EXPECT_EQ(match(grammar, "\xC3\xAA"), "no");
  EXPECT_EQ(match("root ::= [^a\\n]", "b"), "yes");
  EXPECT_EQ(match("root ::= [^a\\n]", "\xE4\xB8\xAD"), "yes");
  EXPECT_EQ(match("root ::= [^a\\n]", "a"), "no");
  EXPECT_EQ(match("root ::= .", "\xF0\x9F\x98\x80"), "yes");
  EXPECT_EQ(match("root ::= .", "\xED\xA0\x80"), "no"); // a surrogate
  EXPECT_EQ(match("root ::= .", "\xFF"), "no");
  EXPECT_EQ(match("root ::= [\\]\\-\\^\\\\\"]{5}", "]-^\\\""), "yes");
  EXPECT_EQ(match("root ::= [a-]{2}", "a-"), "yes");
}

/// Every character of a range, and its neighbours, one by one.
TEST(Grammar, RangesOfAllLengths) {
  Random random(3);
  for (int round = 0; round < 60; ++round) {
    uint32_t limit = round % 3 == 0 ? 0x300 : round % 3 == 1 ? 0x11000 : 0x110000;
    uint32_t first = uint32_t(random.next() % limit), last = uint32_t(random.next() % limit);
    if (first > last)
      std::swap(first, last);
    if ((first >= 0xD800 && first <= 0xDFFF) || (last >= 0xD800 && last <= 0xDFFF))
      continue;
    char text[64];
    std::snprintf(text, sizeof(text), "root ::= [\\U%08x-\\U%08x]", first, last);
    auto grammar = parseOrDie(text);
    std::vector<uint32_t> tried = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF};
    for (uint32_t c : {first, last})
      for (int64_t near : {-1, 0, 1})
        if (int64_t(c) + near >= 0 && int64_t(c) + near <= 0x10FFFF)
          tried.push_back(uint32_t(int64_t(c) + near));
    for (int i = 0; i < 50; ++i)
      tried.push_back(uint32_t(random.next() % 0x110000));
    for (uint32_t c : tried) {
      if (c >= 0xD800 && c <= 0xDFFF)
        continue;
      // UTF-8 by its definition.
      std::string bytes;
      if (c < 0x80)
        bytes = {char(c)};
      else if (c < 0x800)
        bytes = {char(0xC0 | c >> 6), char(0x80 | (c & 63))};
      else if (c < 0x10000)
        bytes = {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
      else
        bytes = {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 63)), char(0x80 | (c >> 6 & 63)),
                 char(0x80 | (c & 63))};
      ASSERT_EQ(match(grammar, bytes), c >= first && c <= last ? "yes" : "no") << text << " " << c;
    }
  }
}

TEST(Grammar, Json) {
  auto json = Grammar::json();
  for (const char *text :
       {"{}", "[]", "null", "true", "-0.5e+10", "12", "\"a\\n\\u00e9\\\"\xC3\xA9\"",
        "{\"a\": [1, 2, {\"b\": null}], \"c\": \"d\"}", "[\n  1,\n  [ ]\n]"})
    EXPECT_EQ(match(json, text), "yes") << text;
  for (const char *text : {"{\"a\"", "[1,", "\"abc", "-", "1e", "tru"})
    EXPECT_EQ(match(json, text), "begins") << text;
  for (const char *text : {"{a", "[,", "01", "\"\n", "\"\\x", "nulll", "{} ", "[1 2", "+1", ".5"})
    EXPECT_EQ(match(json, text), "no") << text;
}

TEST(Grammar, KnowsWhenATextMustEnd) {
  auto grammar = parseOrDie("root ::= \"a\" \"b\"?");
  GrammarMatcher matcher(grammar);
  auto a = *matcher.next(matcher.start(), 'a');
  EXPECT_TRUE(matcher.canEnd(a) && !matcher.mustEnd(a));
  auto b = *matcher.next(a, 'b');
  EXPECT_TRUE(matcher.mustEnd(b));
  EXPECT_EQ(*matcher.next(b, 'b'), GrammarMatcher::kDead);
  EXPECT_EQ(*matcher.next(GrammarMatcher::kDead, 'b'), GrammarMatcher::kDead);
}

TEST(Grammar, ForgettingDoesNotMatter) {
  for (const char *text : {"{\"a\": [1, {\"b\": [[null]]}], \"c\": \"d\"}", "[1, {\"b", "[[[1]]],"})
    EXPECT_EQ(match(Grammar::json(), text, true), match(Grammar::json(), text)) << text;
}

TEST(Grammar, RefusesWhatItCannotFollow) {
  EXPECT_EQ(refusal("root ::= root \"a\" | \"b\""),
            "test.gbnf: grammar line 1: expected rules that do not begin with themselves, got "
            "'root', which does");
  EXPECT_THAT(refusal("root ::= a \"x\"\na ::= \"y\"? b\nb ::= a"),
              HasSubstr("rules that do not begin with themselves"));
  EXPECT_EQ(
      refusal("root ::= \"a\"\nb ::= (\"a\"?)*"),
      "test.gbnf: grammar line 2: expected a repetition of what is not empty, got one of what "
      "may be");
  EXPECT_EQ(refusal("root ::= a"), "test.gbnf: grammar: expected a rule 'a', got none");
  EXPECT_EQ(refusal(""), "test.gbnf: grammar: expected a rule 'root', got none");
  EXPECT_EQ(refusal("root ::= \"a\"\nroot ::= \"b\""),
            "test.gbnf: grammar line 2: expected a rule of its own, got 'root' again");
  EXPECT_THAT(refusal("root = \"a\""), HasSubstr("grammar line 1: expected '::=', got '='"));
  EXPECT_THAT(refusal("root ::= \"a"), HasSubstr("expected a quote to end the string"));
  EXPECT_THAT(refusal("root ::= [a"), HasSubstr("expected ']' to end the class"));
  EXPECT_THAT(refusal("root ::= []"), HasSubstr("a class of at least one character"));
  EXPECT_THAT(refusal("root ::= [b-a]"), HasSubstr("from a lower to a higher character"));
  EXPECT_THAT(refusal("root ::= (\"a\""), HasSubstr("expected ')', got the end"));
  EXPECT_THAT(refusal("root ::= \"a\" )"), HasSubstr("or the name of a rule, got ')'"));
  EXPECT_THAT(refusal("root ::= \"a\"{2"), HasSubstr("expected '}' after the '{'"));
  EXPECT_THAT(refusal("root ::= \"a\"{3,2}"), HasSubstr("expected {count}, {least,} or"));
  EXPECT_THAT(refusal("root ::= \"a\"{x}"), HasSubstr("got '{x}'"));
  EXPECT_THAT(refusal("root ::= \"\\q\""), HasSubstr("expected an escape"));
  EXPECT_THAT(refusal("root ::= \"\\ud800\""), HasSubstr("expected an escape"));
  EXPECT_THAT(refusal("\xFF"), HasSubstr("expected text in UTF-8"));
}

TEST(Grammar, LargeGrammarsAreRefused) {
  EXPECT_THAT(refusal("root ::= \"a\"{1000000}"), HasSubstr("at most 50000 items, got a larger"));
  EXPECT_THAT(refusal("root ::= \"a\"{0,18446744073709551615}"), HasSubstr("at most 50000 items"));
  // Copies of a group are references to one rule: this is small, and long texts follow it.
  EXPECT_EQ(match("root ::= ((\"a\"{9}){9}){9}", std::string(729, 'a')), "yes");
  EXPECT_EQ(match("root ::= ((\"a\"{9}){9}){9}", std::string(730, 'a')), "no");
}

TEST(Grammar, DeepGroupsAreRefused) {
  EXPECT_THAT(refusal("root ::= " + std::string(5000, '(')), HasSubstr("at most 100 levels"));
}

TEST(Grammar, AmbiguityHasALimit) {
  // The number of ways to read n letters grows exponentially with n.
  auto grammar = parseOrDie("root ::= a a a a a a\na ::= \"x\" a a? | \"x\"\n");
  GrammarMatcher matcher(grammar);
  auto state = matcher.start();
  absl::Status status;
  for (int i = 0; i < 200 && status.ok(); ++i) {
    auto next = matcher.next(state, 'x');
    status = next.status();
    if (next.ok())
      state = *next;
  }
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 4096 ways to read a text"));
}

TEST(Grammar, DamageDoesNoHarm) {
  Random random(8);
  const std::string good =
      "root ::= (\"a\" | b)* [^x-z\\n]{1,3} # c\nb ::= \"b\" root? \"\\u00e9\"\n";
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int i = 0; i < 3; ++i)
      text[random.next() % text.size()] = "\"[](){}|*+?:=ab^-\\\n#\xFF"[random.next() % 21];
    auto grammar = Grammar::parse(text, "t");
    if (!grammar.ok())
      continue;
    GrammarMatcher matcher(*grammar);
    auto state = matcher.start();
    for (char byte : std::string("abab\xC3\xA9q")) {
      auto next = matcher.next(state, uint8_t(byte));
      if (!next.ok())
        break;
      state = *next;
    }
  }
}

} // namespace
} // namespace stc
