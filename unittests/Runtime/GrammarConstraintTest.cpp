// Generation within a grammar, on the fake model: the best token that may come, every time.
#include "FakeModel.h"

#include "stc/Runtime/Generate.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

namespace stc {
namespace {

using test::expectedLogits;
using test::fakeEos;
using test::FakeModel;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

std::unique_ptr<GrammarConstraint> constrain(const char *text, Model &model) {
  auto grammar = Grammar::parse(text, "test.gbnf");
  EXPECT_TRUE(grammar.ok()) << grammar.status();
  auto constraint = GrammarConstraint::create(*grammar, model);
  EXPECT_TRUE(constraint.ok()) << constraint.status();
  return *std::move(constraint);
}

struct Outcome {
  absl::StatusOr<GenerateResult> result;
  Ids tokens;
};

Outcome run(Model &model, GrammarConstraint &constraint, const Ids &prompt, GenerateOptions options,
            double temperature = 0, uint64_t seed = 1) {
  auto session = Session::create(model);
  EXPECT_TRUE(session.ok());
  SamplerOptions sampling;
  sampling.temperature = temperature;
  Sampler sampler(sampling, seed);
  options.grammar = &constraint;
  Ids tokens;
  auto result = generate(**session, sampler, prompt, options, [&](int32_t token) {
    tokens.push_back(token);
    return absl::OkStatus();
  });
  return {std::move(result), std::move(tokens)};
}

/// Whether a text of the grammar begins with `bytes`, by a matcher of its own.
bool begins(const char *grammar, const std::string &bytes, bool &ends) {
  GrammarMatcher matcher(Grammar::parse(grammar, "g").value());
  GrammarMatcher::State state = matcher.start();
  for (char byte : bytes)
    state = matcher.next(state, uint8_t(byte)).value();
  ends = matcher.canEnd(state);
  return state != GrammarMatcher::kDead;
}

TEST(GrammarConstraint, ChoosesTheBestTokenThatMayCome) {
  const char *text = "root ::= ( [a-z ]{1,5} | \"the\" | [0-9]+ \"\\n\" )+ \"!\"?";
  FakeModel model;
  auto constraint = constrain(text, *model);
  for (const Ids &prompt : {Ids{1, 2, 3}, Ids{200, 7}, Ids{42}}) {
    constraint->restart(false);
    GenerateOptions options;
    options.maxTokens = 10;
    Outcome outcome = run(*model, *constraint, prompt, options);
    ASSERT_TRUE(outcome.result.ok()) << outcome.result.status();
    // Again, trying every token of the vocabulary by itself.
    Ids all = prompt, expected;
    std::string bytes;
    while (expected.size() < 10) {
      std::vector<float> logits = expectedLogits(all);
      bool mayEnd = false, ends = false;
      begins(text, bytes, mayEnd);
      int32_t best = -1;
      for (int32_t id = 0; id < test::fakeVocab; ++id) {
        std::string piece = model->piece(id);
        bool may = id == fakeEos ? mayEnd : !piece.empty() && begins(text, bytes + piece, ends);
        if (may && (best < 0 || logits[size_t(id)] > logits[size_t(best)]))
          best = id;
      }
      ASSERT_GE(best, 0);
      if (best == fakeEos)
        break;
      expected.push_back(best);
      all.push_back(best);
      bytes += model->piece(best);
    }
    EXPECT_EQ(outcome.tokens, expected);
    EXPECT_GT(expected.size(), 0u);
  }
}

TEST(GrammarConstraint, EndsWhereTheTextIsComplete) {
  FakeModel model;
  auto constraint = constrain("root ::= \"yes\" | \"no\"", *model);
  for (bool ignore : {false, true})
    for (uint64_t seed = 1; seed < 8; ++seed) {
      constraint->restart(false);
      GenerateOptions options;
      options.ignoreEndOfText = ignore;
      Outcome outcome = run(*model, *constraint, {int32_t(seed)}, options, 1.5, seed);
      ASSERT_TRUE(outcome.result.ok()) << outcome.result.status();
      EXPECT_EQ(outcome.result->reason, StopReason::EndOfText);
      std::string text;
      for (int32_t id : outcome.tokens)
        text += model->piece(id);
      EXPECT_TRUE(text == "yes" || text == "no") << text;
    }
  auto empty = constrain("root ::= \"\"", *model);
  empty->restart(false);
  EXPECT_TRUE(run(*model, *empty, {1}, {}).tokens.empty());
}

TEST(GrammarConstraint, EndTokensComeOnlyAtTheEnd) {
  FakeModel model;
  auto constraint = constrain("root ::= \"ab\" \"c\"?", *model);
  constraint->restart(false);
  std::vector<float> logits(264, 1), scores;
  auto mayEnd = [&] {
    auto any = constraint->apply(logits, {fakeEos}, scores);
    EXPECT_TRUE(any.ok() && *any);
    return scores[fakeEos] == 1;
  };
  EXPECT_FALSE(mayEnd());
  EXPECT_EQ(scores['a'], 1);
  EXPECT_EQ(scores['b'], -INFINITY);
  EXPECT_EQ(scores[263], -INFINITY) << "an id without text";
  ASSERT_TRUE(constraint->accept('a').ok());
  EXPECT_FALSE(mayEnd());
  ASSERT_TRUE(constraint->accept('b').ok());
  EXPECT_TRUE(mayEnd());
  EXPECT_FALSE(constraint->isComplete());
  ASSERT_TRUE(constraint->accept('c').ok());
  EXPECT_TRUE(constraint->isComplete());
}

TEST(GrammarConstraint, ASpaceThatIsNotShownDoesNotCount) {
  FakeModel model;
  auto constraint = constrain("root ::= \"a\" | \" b\"", *model);
  std::vector<float> logits(264, 1), scores;
  constraint->restart(true);
  ASSERT_TRUE(constraint->apply(logits, {}, scores).ok());
  EXPECT_EQ(scores['a'], 1);
  EXPECT_EQ(scores[' '], -INFINITY) << "would show nothing";
  EXPECT_EQ(scores['b'], -INFINITY);
  constraint->restart(false);
  ASSERT_TRUE(constraint->apply(logits, {}, scores).ok());
  EXPECT_EQ(scores[' '], 1);
}

TEST(GrammarConstraint, NeedsATokenizerAndTokensThatGoOn) {
  FakeModel mute(1, false);
  EXPECT_THAT(std::string(GrammarConstraint::create(Grammar::json(), *mute).status().message()),
              HasSubstr("tokenizer: expected one"));
  FakeModel model;
  auto ambiguous = constrain("root ::= a a a a a a\na ::= \"x\" a a? | \"x\"\n", *model);
  ambiguous->restart(false);
  absl::Status status;
  for (int i = 0; i < 200 && status.ok(); ++i)
    status = ambiguous->accept('x');
  EXPECT_THAT(std::string(status.message()), HasSubstr("grammar: expected at most 4096 ways"));
}

TEST(GrammarConstraint, GeneratesJson) {
  FakeModel model;
  auto constraint = GrammarConstraint::create(Grammar::json(), *model).value();
  int complete = 0;
  for (uint64_t seed = 1; seed < 30; ++seed) {
    constraint->restart(false);
    GenerateOptions options;
    options.maxTokens = 60;
    Outcome outcome = run(*model, *constraint, {int32_t(seed)}, options, 3, seed);
    ASSERT_TRUE(outcome.result.ok()) << outcome.result.status();
    GrammarMatcher matcher(Grammar::json());
    GrammarMatcher::State state = matcher.start();
    for (int32_t id : outcome.tokens)
      for (char byte : model->piece(id))
        state = *matcher.next(state, uint8_t(byte));
    EXPECT_NE(state, GrammarMatcher::kDead);
    complete += matcher.canEnd(state);
  }
  EXPECT_GT(complete, 0);
}

} // namespace
} // namespace stc
