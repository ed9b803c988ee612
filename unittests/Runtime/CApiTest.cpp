// The C interface on the fake model.
#include "stc/Runtime/CApi.h"

#include "FakeModel.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cstddef>

namespace stc {
namespace {

using testing::HasSubstr;

class CApi : public testing::Test {
protected:
  void open(const std::string &tokenizer) {
    stc_model_close(model);
    test::writeBundle(directory / "m.weights", tokenizer);
    model = stc_model_open((directory / "m.weights").c_str(), 2, error, sizeof(error));
    ASSERT_NE(model, nullptr) << error;
  }
  void SetUp() override { open(test::fakeTokenizer()); }
  void TearDown() override { stc_model_close(model); }

  test::TemporaryDirectory directory;
  char error[256] = "";
  stc_model_t *model = nullptr;
};

TEST_F(CApi, Sizes) {
  EXPECT_EQ(stc_model_vocab_size(model), test::fakeVocab);
  EXPECT_EQ(stc_model_max_context(model), test::fakeContext);
}

TEST_F(CApi, OpenReportsErrors) {
  EXPECT_EQ(stc_model_open((directory / "absent").c_str(), 1, error, sizeof(error)), nullptr);
  EXPECT_THAT(error, HasSubstr("absent: expected"));
  EXPECT_EQ(stc_model_open(nullptr, 1, error, sizeof(error)), nullptr);
  EXPECT_EQ(stc_model_open((directory / "m.weights").c_str(), -1, error, sizeof(error)), nullptr);
  EXPECT_EQ(stc_model_open((directory / "m.weights").c_str(), 1 << 20, nullptr, 0), nullptr);
  // The message is cut to fit.
  char small[8] = "1234567";
  EXPECT_EQ(stc_model_open(nullptr, 1, small, 4), nullptr);
  EXPECT_EQ(std::string(small).size(), 3u);
  EXPECT_EQ(small[4], '5');
  stc_model_close(nullptr);
}

TEST_F(CApi, Logits) {
  std::vector<int32_t> tokens = {5, 4, 3, 2, 1, 0, 9, 8, 7, 6};
  std::vector<float> last(test::fakeVocab), all(test::fakeVocab * tokens.size());
  ASSERT_EQ(stc_model_logits(model, tokens.data(), 10, last.data(), 0, error, sizeof(error)), 0);
  EXPECT_EQ(last, test::expectedLogits(tokens));
  stc_model_reset(model);
  ASSERT_EQ(stc_model_logits(model, tokens.data(), 10, all.data(), stc_model_all_positions, error,
                             sizeof(error)),
            0);
  EXPECT_TRUE(std::equal(last.begin(), last.end(), all.end() - test::fakeVocab));
  EXPECT_TRUE(
      std::equal(all.begin(), all.begin() + test::fakeVocab, test::expectedLogits({5}).begin()));
  // The text goes on.
  ASSERT_EQ(stc_model_logits(model, tokens.data(), 1, last.data(), 0, error, sizeof(error)), 0);
  tokens.push_back(5);
  EXPECT_EQ(last, test::expectedLogits(tokens));

  int32_t bad = 264;
  EXPECT_LT(stc_model_logits(model, &bad, 1, last.data(), 0, error, sizeof(error)), 0);
  EXPECT_THAT(error, HasSubstr("got 264"));
  EXPECT_LT(stc_model_logits(model, nullptr, 1, last.data(), 0, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_logits(model, &bad, -1, last.data(), 0, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_logits(model, nullptr, 0, last.data(), 0, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_logits(model, nullptr, 0, last.data(), 1, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_logits(model, tokens.data(), 1, nullptr, 0, error, sizeof(error)), 0);
}

struct Collected {
  std::vector<int32_t> tokens;
  std::string text;
  size_t stopAfter = 1000;
};

int collect(void *user, int32_t token, const char *text, size_t size) {
  auto *collected = static_cast<Collected *>(user);
  collected->tokens.push_back(token);
  collected->text.append(text, size);
  return collected->tokens.size() >= collected->stopAfter;
}

TEST_F(CApi, Embed) {
  std::vector<int32_t> tokens = test::someTokens(10);
  std::vector<float> vector(test::fakeHidden);
  EXPECT_LT(stc_model_embed(model, tokens.data(), 10, vector.data(), error, sizeof(error)), 0);
  EXPECT_THAT(std::string(error), HasSubstr("expected an encoder"));
  std::string path = directory / "encoder.weights";
  test::writeBundle(path, "", test::asEncoder);
  stc_model_t *encoder = stc_model_open(path.c_str(), 1, error, sizeof(error));
  ASSERT_NE(encoder, nullptr) << error;
  EXPECT_EQ(stc_model_hidden_size(encoder), test::fakeHidden);
  ASSERT_EQ(stc_model_embed(encoder, tokens.data(), 1, vector.data(), error, sizeof(error)), 0);
  for (int64_t h = 0; h < test::fakeHidden; ++h)
    EXPECT_EQ(vector[size_t(h)], float((tokens[0] + 1) * (h + 3) % 97));
  EXPECT_LT(stc_model_embed(encoder, tokens.data(), 0, vector.data(), error, sizeof(error)), 0);
  EXPECT_LT(stc_model_embed(encoder, tokens.data(), 1, nullptr, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_embed(encoder, nullptr, 1, vector.data(), error, sizeof(error)), 0);
  EXPECT_LT(stc_model_logits(encoder, tokens.data(), 1, vector.data(), 0, error, sizeof(error)), 0);
  EXPECT_THAT(std::string(error), HasSubstr("expected a decoder"));
  stc_model_close(encoder);
}

TEST_F(CApi, ImagesOfModelsThatReadTexts) {
  EXPECT_EQ(stc_model_pixel_count(model), 0);
  EXPECT_EQ(stc_model_label_count(model), 0);
  EXPECT_EQ(stc_model_label(model, 0), nullptr);
  float number = 0;
  const uint8_t byte = 0;
  const char *expected = "expected a vision transformer";
  EXPECT_LT(stc_model_read_image(model, &byte, 1, &number, error, sizeof(error)), 0);
  EXPECT_THAT(std::string(error), HasSubstr(expected));
  EXPECT_LT(stc_model_embed_pixels(model, &number, &number, error, sizeof(error)), 0);
  EXPECT_THAT(std::string(error), HasSubstr(expected));
  EXPECT_LT(stc_model_classify_pixels(model, &number, &number, error, sizeof(error)), 0);
  EXPECT_THAT(std::string(error), HasSubstr(expected));
  EXPECT_LT(stc_model_classify_pixels(model, nullptr, &number, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_embed_pixels(model, &number, nullptr, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_read_image(model, nullptr, 1, &number, error, sizeof(error)), 0);
}

TEST_F(CApi, Generate) {
  std::vector<int32_t> prompt = {'a', 'b'}, expected, text = prompt;
  for (int i = 0; i < 6; ++i) {
    expected.push_back(test::expectedGreedy(text));
    text.push_back(expected.back());
  }
  stc_model_sampling_t greedy = {};
  greedy.max_tokens = 6;
  greedy.ignore_eos = 1;
  Collected all;
  EXPECT_EQ(
      stc_model_generate(model, prompt.data(), 2, &greedy, collect, &all, error, sizeof(error)), 6)
      << error;
  EXPECT_EQ(all.tokens, expected);
  EXPECT_FALSE(all.text.empty());

  stc_model_reset(model);
  Collected some;
  some.stopAfter = 2;
  EXPECT_EQ(stc_model_generate(model, prompt.data(), 2, &greedy, collect, &some, nullptr, 0), 2);

  stc_model_reset(model);
  EXPECT_EQ(stc_model_generate(model, prompt.data(), 2, &greedy, nullptr, nullptr, nullptr, 0), 6);
  EXPECT_LT(stc_model_generate(model, prompt.data(), 2, nullptr, nullptr, nullptr, nullptr, 0), 0);
  greedy.top_p = 7;
  EXPECT_LT(
      stc_model_generate(model, prompt.data(), 2, &greedy, nullptr, nullptr, error, sizeof(error)),
      0);
  EXPECT_THAT(error, HasSubstr("sampling"));
}

TEST_F(CApi, TokenizeAndBack) {
  int32_t tokens[8] = {};
  EXPECT_EQ(stc_model_tokenize(model, "the a", 5, 1, tokens, 8, error, sizeof(error)), 4);
  EXPECT_THAT(std::vector<int32_t>(tokens, tokens + 4),
              testing::ElementsAre(test::fakeBos, 257, ' ', 'a'));
  EXPECT_EQ(stc_model_tokenize(model, "the a", 5, 0, nullptr, 0, error, sizeof(error)), 3);
  char text[8] = "zzzzzzz";
  EXPECT_EQ(stc_model_detokenize(model, tokens, 4, text, 3, error, sizeof(error)), 5);
  EXPECT_EQ(std::string(text), "thezzzz");
  EXPECT_EQ(stc_model_detokenize(model, tokens, 4, nullptr, 0, error, sizeof(error)), 5);
  EXPECT_EQ(stc_model_tokenize(model, nullptr, 0, 0, nullptr, 0, error, sizeof(error)), 0);
  EXPECT_LT(stc_model_tokenize(model, nullptr, 3, 0, tokens, 8, error, sizeof(error)), 0);
  int32_t bad = 5000;
  EXPECT_LT(stc_model_detokenize(model, &bad, 1, text, 3, error, sizeof(error)), 0);

  open("");
  EXPECT_LT(stc_model_tokenize(model, "a", 1, 0, tokens, 8, error, sizeof(error)), 0);
  EXPECT_THAT(error, HasSubstr("tokenizer"));
}

class ConstrainedCApi : public CApi {
protected:
  int64_t generate(const stc_model_constraint_t *constraint) {
    received = Collected();
    stc_model_reset(model);
    stc_model_sampling_t sampling = {};
    sampling.max_tokens = 12;
    sampling.ignore_eos = 1;
    const int32_t prompt[] = {5, 3};
    return stc_model_generate_constrained(model, prompt, 2, &sampling, constraint, collect,
                                          &received, error, sizeof(error));
  }
  static stc_model_constraint_t none() {
    stc_model_constraint_t constraint = {};
    constraint.size = sizeof(constraint);
    return constraint;
  }
  void refuse(const stc_model_constraint_t &constraint, const char *message) {
    EXPECT_LT(generate(&constraint), 0);
    EXPECT_THAT(error, HasSubstr(message));
  }

  Collected received;
};

TEST_F(ConstrainedCApi, NothingIsAskedFor) {
  ASSERT_EQ(generate(nullptr), 12) << error;
  std::vector<int32_t> tokens = received.tokens;
  stc_model_constraint_t constraint = none();
  ASSERT_EQ(generate(&constraint), 12) << error;
  EXPECT_EQ(received.tokens, tokens);
}

TEST_F(ConstrainedCApi, TheTextFollowsAGrammar) {
  stc_model_constraint_t constraint = none();
  constraint.grammar = "root ::= [a-c]{3} [x-z]";
  ASSERT_EQ(generate(&constraint), 4) << error;
  EXPECT_THAT(received.text, testing::MatchesRegex("[abc][abc][abc][xyz]"));
  constraint.grammar = nullptr;
  constraint.json_schema = "{\"enum\": [\"ab\", \"ba\"]}";
  ASSERT_EQ(generate(&constraint), 4) << error;
  EXPECT_THAT(received.text, testing::AnyOf("\"ab\"", "\"ba\""));
}

TEST_F(ConstrainedCApi, TheTextEndsBeforeAStopText) {
  stc_model_constraint_t constraint = none();
  constraint.grammar = "root ::= \"abcdefgh\"";
  const char *stop[] = {"xyz", "def"};
  constraint.stop = stop;
  constraint.stop_count = 2;
  ASSERT_EQ(generate(&constraint), 6) << error;
  EXPECT_EQ(received.text, "abc");
  // What might have become one is handed on at the end.
  stop[1] = "ghi";
  ASSERT_EQ(generate(&constraint), 8) << error;
  EXPECT_EQ(received.text, "abcdefgh");
  EXPECT_EQ(received.tokens.back(), -1);
}

TEST_F(ConstrainedCApi, TokensEndTheText) {
  ASSERT_EQ(generate(nullptr), 12) << error;
  std::vector<int32_t> tokens = received.tokens;
  size_t first = 1;
  while (std::count(tokens.begin(), tokens.begin() + long(first), tokens[first]) != 0)
    ++first;
  stc_model_constraint_t constraint = none();
  constraint.end_tokens = &tokens[first];
  constraint.end_count = 1;
  stc_model_sampling_t sampling = {};
  sampling.max_tokens = 12;
  stc_model_reset(model);
  const int32_t prompt[] = {5, 3};
  EXPECT_EQ(stc_model_generate_constrained(model, prompt, 2, &sampling, &constraint, nullptr,
                                           nullptr, error, sizeof(error)),
            int64_t(first))
      << error;
}

TEST_F(ConstrainedCApi, OlderStructuresLackFields) {
  stc_model_constraint_t constraint = none();
  constraint.grammar = "root ::= \"abc\"";
  // Of a version that ended before the grammar.
  constraint.size = offsetof(stc_model_constraint_t, grammar);
  EXPECT_EQ(generate(&constraint), 12) << error;
  constraint.size = 0;
  refuse(constraint, "constraint.size: expected the size of a stc_model_constraint_t, got 0");
}

TEST_F(ConstrainedCApi, Refusals) {
  stc_model_constraint_t constraint = none();
  constraint.grammar = "root ::= [a-";
  refuse(constraint, "constraint.grammar");
  constraint.json_schema = "{}";
  refuse(constraint, "constraint: expected a grammar or a JSON schema, got both");
  constraint.grammar = nullptr;
  constraint.json_schema = "[";
  refuse(constraint, "constraint.json_schema");
  constraint = none();
  constraint.stop_count = 1;
  refuse(constraint, "constraint.stop");
  const char *empty[] = {""};
  constraint.stop = empty;
  refuse(constraint, "constraint.stop: expected texts");
  open("");
  constraint = none();
  constraint.grammar = "root ::= \"a\"";
  refuse(constraint, "tokenizer");
}

TEST_F(CApi, Conversations) {
  const stc_model_message_t messages[] = {{"system", "S"}, {"user", "hi"}};
  int32_t tokens[16] = {}, end = 0;
  EXPECT_LT(stc_model_chat_tokens(model, messages, 2, tokens, 16, &end, error, sizeof(error)), 0);
  EXPECT_THAT(error, HasSubstr("chat_template: expected a chat template"));
  stc_model_close(model);
  test::writeBundle(directory / "m.weights", test::fakeTokenizer(), [](ModelSettings &settings) {
    settings.chatTemplate = "{{ bos_token }}{% for m in messages %}{{ m.role[0] }}{{ m.content }}"
                            "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}a{% endif %}";
  });
  model = stc_model_open((directory / "m.weights").c_str(), 1, error, sizeof(error));
  ASSERT_NE(model, nullptr) << error;
  ASSERT_EQ(stc_model_chat_tokens(model, messages, 2, tokens, 16, &end, error, sizeof(error)), 9)
      << error;
  EXPECT_THAT(std::vector<int32_t>(tokens, tokens + 9),
              testing::ElementsAre(test::fakeBos, 's', 'S', test::fakeEos, 'u', 'h', 'i',
                                   test::fakeEos, 'a'));
  EXPECT_EQ(end, test::fakeEos);
  EXPECT_EQ(stc_model_chat_tokens(model, messages, 2, tokens, 2, nullptr, nullptr, 0), 9);
  const stc_model_message_t bad[] = {{"user", nullptr}};
  EXPECT_LT(stc_model_chat_tokens(model, bad, 1, tokens, 16, nullptr, error, sizeof(error)), 0);
  EXPECT_THAT(error, HasSubstr("messages: expected a role and a content"));
}

} // namespace
} // namespace stc
