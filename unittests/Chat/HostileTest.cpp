// Templates that try to run forever, to fill memory or to overflow the stack.
#include "Render.h"

#include "stc/Support/Random.h"

#include "absl/strings/str_cat.h"

namespace stc {
namespace {

using testing::HasSubstr;

std::string repeat(absl::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i)
    absl::StrAppend(&result, text);
  return result;
}

TEST(Hostile, EndlessWork) {
  const char *const expected = "expected a template that comes to its end, got more steps or text";
  std::string loops, ends;
  for (char name : {'a', 'b', 'c', 'd', 'e'}) {
    absl::StrAppend(&loops, "{% for ", std::string(1, name), " in range(1000) %}");
    ends += "{% endfor %}";
  }
  EXPECT_THAT(refusal(loops + "x" + ends), HasSubstr(expected));
  EXPECT_THAT(refusal("{{ range(9223372036854775807)|length }}"), HasSubstr(expected));
  EXPECT_THAT(refusal("{{ 'ab' * 9223372036854775807 }}"), HasSubstr(expected));
  EXPECT_THAT(refusal("{{ [1] * 100000000 }}"), HasSubstr(expected));
  EXPECT_EQ(render("{{ '' * 9223372036854775807 }}{{ [] * 5 }}"), "[]");
}

TEST(Hostile, GrowingValues) {
  std::string doubling = "{% set n = namespace(x='" + std::string(64, 'x') +
                         "') %}"
                         "{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}";
  EXPECT_THAT(refusal(doubling), HasSubstr("expected values of at most 16777216 bytes"));
  EXPECT_THAT(refusal("{% set n = namespace(x=['a']) %}{% for i in range(60) %}"
                      "{% set n.x = [n.x, n.x] %}{% endfor %}"),
              HasSubstr("expected values"));
  EXPECT_THAT(refusal("{% set n = namespace(x=[]) %}{% for i in range(99) %}"
                      "{% set n.x = [n.x] %}{% endfor %}"),
              HasSubstr("expected values nested at most 32 deep"));
  EXPECT_THAT(refusal("{% set n = namespace() %}{% set n.n = n %}"),
              HasSubstr("expected a namespace in a variable of its own"));
  EXPECT_THAT(refusal("{% set n = namespace() %}{% set n.n = [n] %}"),
              HasSubstr("a list without namespaces"));
  EXPECT_THAT(refusal("{{ ('a' * 10000).replace('a', 'b' * 100000) }}"), HasSubstr("to its end"));
  std::string large = "{% set s = 'x' * 1000000 %}";
  EXPECT_THAT(refusal(large + "{% for i in range(1000) %}{{ s }}{% endfor %}"),
              HasSubstr("chat_template line 1: expected"));
}

TEST(Hostile, DeepNesting) {
  const char *const expected = "expected at most 100 levels of nesting, got more";
  for (const std::string &text :
       {"{{ " + repeat("(", 5000) + "1" + repeat(")", 5000) + " }}",
        "{{ " + repeat("[", 5000) + "1" + repeat("]", 5000) + " }}",
        "{{ " + repeat("not ", 5000) + "1 }}", "{{ " + repeat("-", 5000) + "1 }}",
        "{{ 1" + repeat(" + 1", 5000) + " }}", "{{ x" + repeat(".x", 5000) + " }}",
        "{{ x" + repeat("|trim", 5000) + " }}", "{{ x" + repeat("()", 5000) + " }}",
        "{{ 1" + repeat(" if 1 else 1", 5000) + " }}",
        repeat("{% if 1 %}", 5000) + repeat("{% endif %}", 5000)})
    EXPECT_THAT(refusal(text), HasSubstr(expected)) << text.substr(0, 40);
  EXPECT_EQ(render("{{ 1" + repeat(" + 1", 50) + " }}"), "51");
}

TEST(Hostile, EndlessRecursion) {
  EXPECT_THAT(refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
              HasSubstr("expected at most 16 macros within each other"));
}

TEST(Hostile, WhatTheTemplateRefuses) {
  EXPECT_EQ(refusal("a\n{{ raise_exception('Roles must\n alternate') }}"),
            "test.json: chat_template line 2: expected a conversation that the template accepts, "
            "got its refusal 'Roles must\\n alternate'");
}

TEST(Hostile, LongTemplates) {
  EXPECT_THAT(refusal(std::string((1 << 20) + 1, 'x')),
              HasSubstr("chat_template: expected at most 1048576 bytes, got 1048577"));
  EXPECT_EQ(render(std::string(1 << 20, 'x')).size(), size_t(1 << 20));
}

TEST(Hostile, MessagesAreOnlyText) {
  Messages messages = {{"user", "{{ 1 + 1 }}{% if %}\xFF"}};
  EXPECT_EQ(render("{{ messages[0].content }}", messages), "{{ 1 + 1 }}{% if %}\xFF");
}

const char *const sample =
    "{%- set ns = namespace(f=false) %}{%- for m in messages if m.role in ['user', \"system\"] %}\n"
    "  {%- if loop.first and m['content'][1:] | trim != '' -%} {{ m.content.split(' ')[-1] }}\n"
    "  {%- elif ns.f %}{{ '<|' ~ m.role ~ '|>\\n' }}{% endif %}{% set ns.f = not ns.f %}\n"
    "{%- endfor %}{# end #}{{ {'a': [1.5, none]}|tojson(indent=2) }}";

TEST(Hostile, EveryTruncation) {
  absl::string_view text = sample;
  for (size_t length = 0; length < text.size(); ++length) {
    // A copy of exactly this size, so that sanitizers see any read past it.
    std::vector<char> copy(text.begin(), text.begin() + long(length));
    (void)tryRender({copy.data(), copy.size()}).ok();
  }
}

TEST(Hostile, DamageDoesNoHarm) {
  Random random(12);
  static const char *const pieces[] = {
      "{{", "}}", "{%", "%}",  "{#",    "-",    "'",    "(",
      "]",  "|",  ".",  "if ", "endif", "for ", "\xFF", "9223372036854775807",
      "**"};
  for (int round = 0; round < 3000; ++round) {
    std::string text = sample;
    for (int i = 0; i < 3; ++i) {
      size_t at = random.next() % text.size();
      if (random.next() % 2)
        text.insert(at, pieces[random.next() % std::size(pieces)]);
      else
        text.erase(at, random.next() % 4);
    }
    absl::StatusOr<std::string> result = tryRender(text);
    if (!result.ok())
      EXPECT_THAT(std::string(result.status().message()), HasSubstr("chat_template"));
  }
}

} // namespace
} // namespace stc
