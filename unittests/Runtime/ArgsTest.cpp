// The command-line parser: what it accepts, and a table of command lines it refuses.
#include "stc/Runtime/Args.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::HasSubstr;

CommandSpec spec() {
  return {"run",
          "MODEL",
          "Run it.",
          "",
          {{"--prompt", "-p", "TEXT", "The text."},
           {"--seed", "", "S", "The seed."},
           {"--temperature", "", "T", "Heat.\nSecond line."},
           {"--json", "", "", "As JSON."}},
          {"run model -p hello"},
          0,
          1};
}

Args parse(const std::vector<std::string> &words) {
  auto args = Args::parse(spec(), words);
  EXPECT_TRUE(args.ok()) << args.status();
  return args.ok() ? *args : Args();
}

TEST(Args, AcceptsEveryForm) {
  Args args = parse({"-p", "two words", "--seed=7", "m", "--json"});
  EXPECT_EQ(args.text("--prompt"), "two words");
  EXPECT_EQ(args.integer("--seed", 0, 0, 10).value(), 7);
  EXPECT_TRUE(args.has("--json"));
  EXPECT_THAT(args.positional(), testing::ElementsAre("m"));
  EXPECT_EQ(args.number("--temperature", 0.5, 0, 1).value(), 0.5);
  EXPECT_EQ(parse({"--prompt="}).text("--prompt", "other"), "");
  EXPECT_EQ(parse({"--prompt=--seed"}).text("--prompt"), "--seed");
  EXPECT_EQ(parse({"-p", "- item"}).text("--prompt"), "- item");
  EXPECT_EQ(parse({"-p", "-5"}).text("--prompt"), "-5");
  EXPECT_THAT(parse({"--", "--json"}).positional(), testing::ElementsAre("--json"));
  EXPECT_THAT(parse({"-"}).positional(), testing::ElementsAre("-"));
  EXPECT_TRUE(parse({"a", "b", "--help"}).has("--help"));
}

TEST(Args, RefusesWithOneClearLine) {
  struct {
    std::vector<std::string> words;
    const char *message;
  } cases[] = {
      {{"--temprature", "1"}, "the closest is --temperature), got --temprature"},
      {{"--zzzzzzzzzzzz"}, "run: expected an option from its --help, got --zzzzzzzzzzzz"},
      {{"-x"}, "got -x"},
      {{"--prompt"}, "run: --prompt: expected a value (TEXT), got none"},
      {{"-p"}, "run: --prompt: expected a value (TEXT), got none"},
      {{"-p", "--seed", "5"}, "got the option --seed"},
      {{"--json=1"}, "run: --json: expected no value, got 1"},
      {{"--json", "--json"}, "run: --json: expected to be given once"},
      {{"-p", "a", "--prompt=b"}, "run: --prompt: expected to be given once"},
      {{"a", "b"}, "expected no argument after MODEL, got b"},
      {{"--promp\n", "x"}, "got --promp\\n"},
  };
  for (const auto &c : cases) {
    auto args = Args::parse(spec(), c.words);
    ASSERT_FALSE(args.ok()) << c.words[0];
    EXPECT_THAT(std::string(args.status().message()), HasSubstr(c.message));
    EXPECT_EQ(args.status().message().find('\n'), std::string::npos);
  }
  CommandSpec strict = spec();
  strict.minPositional = 1;
  EXPECT_THAT(std::string(Args::parse(strict, {}).status().message()),
              HasSubstr("expected MODEL, got 0 arguments"));
  strict.maxPositional = strict.minPositional = 0;
  EXPECT_THAT(std::string(Args::parse(strict, {"x"}).status().message()),
              HasSubstr("expected options only, got x"));
}

TEST(Args, NumbersAreChecked) {
  for (const char *text :
       {"", " 1", "1 ", "x", "1x", "0x10", "1.5", "-1", "11", "99999999999999999999", "\xff"}) {
    auto value = parse({std::string("--seed=") + text}).integer("--seed", 0, 0, 10);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_THAT(std::string(value.status().message()),
                HasSubstr("run: --seed: expected a whole number from 0 to 10, got"));
  }
  for (const char *text :
       {"", " 1", "1 ", "x", "nan", "inf", "-inf", "1e999", "2.1", "-0.1", "1,5"}) {
    auto value = parse({std::string("--temperature=") + text}).number("--temperature", 0, 0, 2);
    EXPECT_FALSE(value.ok()) << text;
  }
  EXPECT_EQ(parse({"--temperature", "1e-1"}).number("--temperature", 0, 0, 2).value(), 0.1);
}

TEST(Args, TokenIds) {
  EXPECT_THAT(parseTokenIds("1,2 3\n\t4,", "f", "").value(), testing::ElementsAre(1, 2, 3, 4));
  struct {
    const char *text, *message;
  } cases[] = {{"", "got none"},   {" , ", "got none"},    {"1,-2", "@0x2"},
               {"1 x", "got x"},   {"4294967296", "@0x0"}, {"2147483648", "expected a token id"},
               {"1.5", "got 1.5"}, {"+1", "got +1"}};
  for (const auto &c : cases) {
    auto ids = parseTokenIds(c.text, "ids.txt", "tokens");
    ASSERT_FALSE(ids.ok()) << c.text;
    EXPECT_THAT(std::string(ids.status().message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(ids.status().message()), HasSubstr("ids.txt: tokens"));
  }
}

TEST(Args, ExpectOneOf) {
  Args none = parse({}), both = parse({"-p", "x", "--json"});
  EXPECT_TRUE(none.expectOneOf({"--prompt", "--json"}, false).ok());
  EXPECT_THAT(std::string(none.expectOneOf({"--prompt", "--json"}, true).message()),
              HasSubstr("run: expected one of --prompt, --json, got none of them"));
  EXPECT_THAT(std::string(both.expectOneOf({"--prompt", "--json"}, false).message()),
              HasSubstr("got --prompt and --json"));
}

TEST(Args, HelpShowsEveryOptionAndExample) {
  std::string page = helpPage("books", spec());
  EXPECT_THAT(page, HasSubstr("Usage: books run [options] MODEL\n"));
  EXPECT_THAT(page, HasSubstr("  -p, --prompt TEXT  The text.\n"));
  EXPECT_THAT(page, HasSubstr("  --temperature T    Heat.\n                     Second line.\n"));
  EXPECT_THAT(page, HasSubstr("  books run model -p hello\n"));
  CommandSpec run = spec();
  EXPECT_THAT(helpOverview("books", "About.", {&run}), HasSubstr("  run  Run it.\n"));
}

TEST(Args, ClosestWord) {
  EXPECT_EQ(closestWord("tokenise", {"run", "tokenize", "eval"}), "tokenize");
  EXPECT_EQ(closestWord("", {"run", "eval"}), "");
  EXPECT_EQ(closestWord(std::string(100000, 'x'), {"run"}), "");
}

TEST(Args, RepeatedOptions) {
  CommandSpec spec;
  spec.name = "eval";
  spec.options = {{"--text", "", "FILE", "", true}, {"--json", "", "", ""}};
  auto args = Args::parse(spec, {"--text", "a", "--json", "--text=b", "--text", "a"});
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(args->texts("--text"), (std::vector<std::string>{"a", "b", "a"}));
  EXPECT_EQ(args->text("--text"), "a");
  EXPECT_TRUE(args->texts("--context").empty());
  EXPECT_FALSE(Args::parse(spec, {"--json", "--json"}).ok());
}

} // namespace
} // namespace stc
