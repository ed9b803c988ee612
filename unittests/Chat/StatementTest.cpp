// Statements, scopes and white space against what Jinja (3.1, trim_blocks and lstrip_blocks) does.
#include "Render.h"

namespace stc {
namespace {

using testing::HasSubstr;

struct Case {
  const char *text, *expected;
};
void expectAll(std::initializer_list<Case> cases) {
  for (const Case &c : cases)
    EXPECT_EQ(render(c.text), c.expected) << c.text;
}

TEST(Statement, Loops) {
  expectAll(
      {{"{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
        "{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
        "1043TrueFalse4;2132FalseFalse4;3221FalseFalse4;4310FalseTrue4;"},
       {"{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>"
        "{{ loop.nextitem.role if not loop.last }};{% endfor %}",
        "->user;system>assistant;user>user;assistant>;"},
       {"{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content }}{% endfor %}",
        "1Hello2Bye"},
       {"{% for m in messages if m.role == 'x' %}a{% else %}none{% endfor %}", "none"},
       {"{% for k, v in {'a':1,'b':2}.items() %}{{ k }}={{ v }},{% endfor %}", "a=1,b=2,"},
       {"{% for k in {'a':1} %}{{ k }}{% endfor %}{% for c in 'bc' %}{{ c }}-{% endfor %}",
        "ab-c-"},
       {"{% for x in nothing %}a{% else %}b{% endfor %}", "b"},
       {"{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}"
        "{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "0134"},
       {"{% for i in range(4) %}{{ loop.cycle('a','b') }}{% endfor %}", "abab"},
       {"{% for i in [1,2] %}{% for j in [3,4] %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}"
        "{{ loop.index }}{% endfor %}",
        "113 214 1123 224 2"}});
  EXPECT_THAT(refusal("{% for x in none %}{% endfor %}"),
              HasSubstr("expected a list, a mapping or a string to loop over, got none"));
  EXPECT_THAT(refusal("{% for a, b in [[1]] %}{% endfor %}"), HasSubstr("expected a list of 2"));
}

TEST(Statement, Scopes) {
  expectAll(
      {{"{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "231"},
       {"{% set n = namespace(x=1) %}{% for i in [1,2] %}{% set n.x = n.x + i %}{% endfor %}"
        "{{ n.x }}",
        "4"},
       {"{% if true %}{% set y = 5 %}{% endif %}{{ y }}", "5"},
       {"{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"},
       {"{% set x %}hello {{ 1 }}{% endset %}{{ x|upper }}", "HELLO 1"},
       {"{% for m in messages %}{% set c = 'x' %}{% endfor %}{{ c is defined }}", "False"}});
  EXPECT_THAT(refusal("{% set messages.x = 1 %}"), HasSubstr("expected a namespace 'messages'"));
}

TEST(Statement, Conditions) {
  expectAll({{"{% if x %}1{% elif messages %}2{% else %}3{% endif %}", "2"},
             {"{% if not messages %}1{% elif false %}2{% else %}3{% endif %}", "3"},
             {"{% if false %}1{% endif %}", ""}});
}

TEST(Statement, Macros) {
  expectAll({{"{% macro f(a, b='d') %}[{{ a }}|{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}"
              "{{ f(b=3, a=4) }}{{ f() }}",
              "[1|d][1|2][4|3][|d]"},
             {"{% set g = 'global' %}{% macro f() %}{{ g }}{% endmacro %}{{ f() }}", "global"},
             {"{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
              "{{ f(5) }}",
              "54321"},
             {"{% set x = 1 %}{% macro f() %}{% set x = 2 %}{{ x }}{% endmacro %}{{ f() }}{{ x }}",
              "21"}});
  EXPECT_THAT(refusal("{% macro f() %}{% endmacro %}{{ f(1) }}"),
              HasSubstr("expected at most 0 arguments of f, got 1"));
  EXPECT_THAT(refusal("{% macro f() %}{% endmacro %}{{ f(a=1) }}"),
              HasSubstr("expected an argument of f, got 'a'"));
}

TEST(Statement, WhiteSpace) {
  expectAll({{"a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc"},
             {"  {%- if true %}\n  x\n  {%- endif %}\n\n\n", "  x\n"},
             {"{% if true %}\r\nx\r\n{% endif %}\r\n", "x\n"},
             {"\n\n{{ 1 }}\n\n", "\n\n1\n"},
             {"x\n\t {# c #}\n y", "x\n y"},
             {"x {# c #}\n y", "x  y"},
             {"{% if true %}  {% if true %}\nb{% endif %}{% endif %}", "  b"},
             {"a{% if true -%}  \n  b {%- endif %} \n c", "ab \n c"},
             {"a\n{%+ if true +%}\n b{% endif %}\n", "a\n\n b"},
             {"a \n {{- 1 -}} \n b", "a1b"},
             {"{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\nend", "  1\n  2\nend"},
             {"{{ '{{' }}{% if '%}' == '%}' %}ok{% endif %}", "{{ok"},
             {"{{ {'a': {'b': 1}}['a']['b'] }}", "1"},
             {"{% generation %}abc{% endgeneration %}", "abc"}});
}

TEST(Statement, RefusesByName) {
  EXPECT_EQ(refusal("{% include 'a' %}"),
            "test.json: chat_template line 1: expected a statement for, if, set, macro, break, "
            "continue or generation, got 'include'");
  EXPECT_THAT(refusal("{% if x %}\n"), HasSubstr("expected 'endif', got the end of the template"));
  EXPECT_THAT(refusal("{% for x in [1] %}"), HasSubstr("expected 'endfor'"));
  EXPECT_THAT(refusal("{% endfor %}"), HasSubstr("got 'endfor'"));
  EXPECT_THAT(refusal("{% break %}"), HasSubstr("expected a loop around it"));
  EXPECT_THAT(refusal("{% for i in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}"),
              HasSubstr("expected a loop around it"));
  EXPECT_THAT(refusal("{# no end"), HasSubstr("expected '#}' to end the comment"));
  EXPECT_THAT(refusal("{% for x in y recursive %}"), HasSubstr("a loop that is not recursive"));
  EXPECT_THAT(refusal("{% set x, y %}"), HasSubstr("expected '='"));
}

} // namespace
} // namespace stc
