// Expressions against what Jinja (3.1) and Python make of them.
#include "Render.h"

#include "absl/strings/str_cat.h"

namespace stc {
namespace {

using testing::HasSubstr;

struct Case {
  const char *expression, *expected;
};

void expectAll(std::initializer_list<Case> cases) {
  for (const Case &c : cases)
    EXPECT_EQ(render(absl::StrCat("{{ ", c.expression, " }}")), c.expected) << c.expression;
}
std::string refuse(absl::string_view expression) {
  return refusal(absl::StrCat("{{ ", expression, " }}"));
}

TEST(Expression, Arithmetic) {
  expectAll({{"1+2*3-4 // 2 % 3", "5"},
             {"-7 // 2", "-4"},
             {"-7 % 3", "2"},
             {"7 % -3", "-2"},
             {"2 ** 3 ** 2", "64"}, // from the left, unlike Python
             {"-2 ** 2", "4"},
             {"7 / 2", "3.5"},
             {"7 // 2.0", "3.0"},
             {"2 ** -1", "0.5"},
             {"1.5 + 2", "3.5"},
             {"1_000 + 1", "1001"},
             {"1e3", "1000.0"},
             {"0.1 + 0.2", "0.30000000000000004"},
             {"1e20", "1e+20"},
             {"true + 1", "2"},
             {"10 - 2 - 3", "5"},
             {"--1", "1"},
             {"-3|abs", "3"}});
  EXPECT_EQ(refuse("1 // 0"), "test.json: chat_template line 1: expected a divisor that is not "
                              "zero, got zero");
  EXPECT_THAT(refuse("9223372036854775807 + 1"), HasSubstr("expected an integer of 64 bits"));
  EXPECT_THAT(refuse("2 ** 64"), HasSubstr("expected an integer of 64 bits"));
  EXPECT_THAT(refuse("-9223372036854775807 * 2"), HasSubstr("expected an integer of 64 bits"));
  EXPECT_THAT(refuse("9223372036854775808"), HasSubstr("expected a number of at most 64 bits"));
  EXPECT_THAT(refuse("'a' + 1"), HasSubstr("expected operands that + is for, got a string and an"));
  EXPECT_THAT(refuse("1 + none"), HasSubstr("got an integer and none"));
  EXPECT_THAT(refuse("nothing + 'a'"), HasSubstr("got 'nothing', which is undefined and a string"));
}

TEST(Expression, Strings) {
  expectAll({{"'a' ~ 1 ~ none ~ true", "a1NoneTrue"},
             {"'a' 'b' + 'c' * 2", "abcc"},
             {"'a\\tb\\nc\\\\d\\'e\\x41\\u00e9'", "a\tb\nc\\d'eA\xC3\xA9"},
             {"'a\\\nb'", "ab"},
             {"'h\xC3\xA9llo'[1:3] ~ 'h\xC3\xA9llo'[::-1]", "\xC3\xA9loll\xC3\xA9h"},
             {"'h\xC3\xA9llo'|length", "5"},
             {"' a '.strip() ~ '|' ~ ' a '.rstrip() ~ '|' ~ ' a '.lstrip()", "a| a|a "},
             {"'xyaxy'.strip('xy')", "a"},
             {"'a,b,c'.split(',', 1)", "['a', 'b,c']"},
             {"'a,b,c'.rsplit(',', 1)", "['a,b', 'c']"},
             {"' a  b c '.split()", "['a', 'b', 'c']"},
             {"' a  b c '.split(none, 1)", "['a', 'b c ']"},
             {"'x</think>y'.split('</think>')[-1]", "y"},
             {"'abc'.startswith('a') and 'abc'.endswith(('x', 'c'))", "True"},
             {"'aXbX'.replace('X', 'y') ~ 'aXbX'.replace('X', 'y', 1)", "aybyaybX"},
             {"\"it's o'neil\".title() ~ \"it's o'neil x-y\"|title", "It'S O'NeilIt's O'neil X-Y"},
             {"'hELLO wORLD'|capitalize ~ 'ab'|upper ~ 'AB'|lower", "Hello worldABab"},
             {"'abcabc'.find('c') ~ 'abcabc'.rfind('c') ~ 'abc'.find('z')", "25-1"},
             {"'abcabc'.count('bc')", "2"},
             {"'abc'.removeprefix('a').removesuffix('c')", "b"},
             {"', '.join(['a','b'])", "a, b"},
             {"'a\\r\\nb\\nc'.splitlines()", "['a', 'b', 'c']"},
             {"'12'.isdigit() ~ ''.isdigit()", "TrueFalse"},
             {"'a\\nb\\n\\nc'|indent(2)", "a\n  b\n\n  c"},
             {"'  a '|trim ~ 'xxaxx'|trim('x')", "aa"}});
  EXPECT_THAT(refuse("'a'.shout()"), HasSubstr("expected a method of strings: strip, lstrip"));
  EXPECT_THAT(refuse("'abc'.split('')"), HasSubstr("expected a separator, got an empty one"));
  EXPECT_THAT(refuse("'\\ud800'"), HasSubstr("expected an escape of a Unicode character"));
}

TEST(Expression, ListsAndMaps) {
  expectAll({{"[1, 'a', none, true, 2.5, {'k': [1]}]", "[1, 'a', None, True, 2.5, {'k': [1]}]"},
             {"\"it's\" ~ [\"it's\", 'q\"q']", "it's[\"it's\", 'q\"q']"},
             {"[1,2,3][-1] ~ (1, 2)[0]", "31"},
             {"[1,2,3][5] is defined", "False"},
             {"[1,2,3,4,5][1:3]", "[2, 3]"},
             {"[1,2,3,4,5][::-1]", "[5, 4, 3, 2, 1]"},
             {"[1,2,3,4,5][-3:] ~ [1,2,3,4,5][:-2]", "[3, 4, 5][1, 2, 3]"},
             {"[1,2,3,4,5][3:1:-1] ~ [1][10:]", "[4, 3][]"},
             {"[1] + [2] * 2", "[1, 2, 2]"},
             {"{'a': {'b': 1}}.a.b ~ {'a': 1}['a']", "11"},
             {"{'b':1,'a':2}.keys() ~ {'b':1}.values()", "['b', 'a'][1]"},
             {"{'b':1}.get('b') ~ {}.get('z') ~ {}.get('z', 9)", "1None9"},
             {"{'b':1,'A':2}|dictsort", "[['A', 2], ['b', 1]]"},
             {"messages.0.role ~ messages[0]['content']", "systemBe brief."},
             {"range(2,5)|list ~ range(5,0,-2)|list ~ range(0)|list", "[2, 3, 4][5, 3, 1][]"},
             {"namespace(a=1).a ~ dict(a=1, b=2)", "1{'a': 1, 'b': 2}"},
             {"[1,2,2].count(2) ~ [1,2].index(2)", "21"}});
  EXPECT_THAT(refuse("[1].append(2)"), HasSubstr("a method of lists that leaves them as they are"));
  EXPECT_THAT(refuse("{}.pop('a')"), HasSubstr("a method of mappings: items, keys, values or get"));
  EXPECT_THAT(refuse("x.y"),
              HasSubstr("expected a value with a member 'y', got 'x', which is und"));
  EXPECT_THAT(refuse("[1][::0]"), HasSubstr("a step that is not zero"));
  EXPECT_THAT(refuse("{1: 2}"), HasSubstr("expected a string as a key, got an integer"));
}

TEST(Expression, Logic) {
  expectAll({{"1 < 2 < 3 and not 1 < 3 < 2", "True"},
             {"1 == 1.0 and true == 1 and {'a':[1]} == {'a':[1]}", "True"},
             {"'a' in 'abc' and 'k' in {'k': 1} and 1 not in [2]", "True"},
             {"not 1 in [2]", "True"},
             {"0 or 'z'", "z"},
             {"'' and x.y", ""},
             {"x is not defined or x.y", "True"},
             {"1 if false", ""},
             {"'a' if x else 'b' if false else 'c'", "c"},
             {"'abc' > 'abd' or [1] < [2]", "True"}});
  EXPECT_THAT(refuse("'a' < 1"), HasSubstr("expected operands that < is for"));
  EXPECT_THAT(refuse("1 in 2"), HasSubstr("or a string to look for a string in, got an integer"));
}

TEST(Expression, Tests) {
  expectAll({{"x is defined ~ (x is undefined)", "FalseTrue"},
             {"messages[0].nothing is defined", "False"},
             {"none is none and 1 is not none", "True"},
             {"1 is number and 1.5 is float and true is boolean and 'a' is string", "True"},
             {"true is integer", "False"},
             {"[1] is sequence and {} is mapping and 'a' is iterable", "True"},
             {"3 is odd and 4 is even and 6 is divisibleby 3 and 6 is not divisibleby(4)", "True"},
             {"1 is in [1,2] and 1 is eq 1 and 2 is gt(1)", "True"},
             {"messages is iterable and messages is not string", "True"},
             {"'A' is upper and 'a' is lower", "True"}});
  EXPECT_THAT(refuse("1 is shiny"), HasSubstr("expected a test even, odd, divisibleby, defined"));
  EXPECT_THAT(refuse("1 is divisibleby"), HasSubstr("one argument of the test divisibleby"));
  EXPECT_THAT(refuse("1 is defined(2)"), HasSubstr("expected no arguments of defined, got 1"));
}

TEST(Expression, Filters) {
  expectAll(
      {{"x|default('d') ~ ''|default('d') ~ ''|default('d', true)", "dd"},
       {"[3,1,2]|sort ~ ['b','A','c']|sort(reverse=true)", "[1, 2, 3]['c', 'b', 'A']"},
       {"[{'a':2},{'a':1}]|sort(attribute='a')", "[{'a': 1}, {'a': 2}]"},
       {"['b','A','a']|unique|list", "['b', 'A']"},
       {"[1,2,3]|sum ~ [1,2,3]|max ~ [1,2,3]|min", "631"},
       {"[1,2,3]|first ~ 'abc'|last ~ ([]|first is defined)", "1cFalse"},
       {"[1,none,'b']|join(', ')", "1, None, b"},
       {"messages|map(attribute='role')|map('upper')|join(',')", "SYSTEM,USER,ASSISTANT,USER"},
       {"messages|selectattr('role','equalto','user')|list|length", "2"},
       {"messages|rejectattr('role','in',['user','system'])|map(attribute='content')|list",
        "['Hi there']"},
       {"[0,1,2,none,'']|select|list ~ [1,2,3]|reject('odd')|list", "[1, 2][2]"},
       {"('12'|int + 1) ~ 'x'|int(5) ~ 3.7|int", "1353"},
       {"'1.5'|float ~ 3|float ~ 1|string", "1.53.01"},
       {"[1,2,3]|reverse|list ~ 'abc'|reverse", "[3, 2, 1]cba"},
       {"{'a':1}|items|list|length ~ {'a':1}|list", "1['a']"}});
  EXPECT_THAT(refuse("1|frobnicate"), HasSubstr("expected a filter abs, capitalize, count"));
  EXPECT_THAT(refuse("1|frobnicate"), HasSubstr("upper, got 'frobnicate'"));
  EXPECT_EQ(render("{% if tools %}{{ 1|frobnicate }}{{ 1 is shiny }}{% endif %}x"), "x");
  EXPECT_THAT(refuse("[1]|map('nofilter')"), HasSubstr("an attribute, or a filter abs"));
  EXPECT_THAT(refuse("1|default(width=2)"),
              HasSubstr("expected arguments default_value, boolean of default, got 'width'"));
  EXPECT_THAT(refuse("[1,'a']|sort"), HasSubstr("expected values that can be put in order"));
  EXPECT_THAT(refuse("5|length"), HasSubstr("expected a value with a length, got an integer"));
}

TEST(Expression, Json) {
  // As Python's json.dumps(..., ensure_ascii=False).
  expectAll({{"{'b':1,'a':[1,{'x':none}],'c':'\xC3\xA9\"\\n'}|tojson",
              "{\"b\": 1, \"a\": [1, {\"x\": null}], \"c\": \"\xC3\xA9\\\"\\n\"}"},
             {"{'b':[1,2],'e':[],'f':{}}|tojson(indent=2)",
              "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"e\": [],\n  \"f\": {}\n}"},
             {"1.5|tojson ~ true|tojson ~ none|tojson ~ \"<'>\"|tojson", "1.5truenull\"<'>\""}});
  EXPECT_THAT(refuse("x|tojson"), HasSubstr("expected a value that JSON has"));
  EXPECT_THAT(refuse("[1]|tojson(indent=99)"),
              HasSubstr("expected an indentation of 0 to 8, got 99"));
}

TEST(Expression, TheDayIsFixed) {
  expectAll({{"strftime_now('%d %b %Y, %A') if strftime_now is defined", "26 Jul 2024, Friday"}});
}

TEST(Expression, SyntaxErrorsNameTheirLine) {
  EXPECT_EQ(refusal("a\n\n{{ 1 + }}"),
            "test.json: chat_template line 3: expected an expression, got '}}'");
  EXPECT_THAT(refusal("{{ 'abc }}"), HasSubstr("expected a quote to end the string"));
  EXPECT_THAT(refusal("{{ a b }}"), HasSubstr("expected '}}' or an operator, got 'b'"));
  EXPECT_THAT(refusal("{{ $ }}"), HasSubstr("expected an expression, got '$'"));
  EXPECT_THAT(refusal("{{ (1 ] }}"), HasSubstr("expected ')', got ']'"));
  EXPECT_THAT(refusal("{{ (1 }}"), HasSubstr("expected '}}' to end the tag"));
  EXPECT_THAT(refusal("x {{ 1"), HasSubstr("expected '}}' to end the tag, got the end"));
  EXPECT_THAT(refusal("{{ f(a=1, 2) }}"), HasSubstr("expected a named argument after another"));
}

} // namespace
} // namespace stc
