// Real vocabularies against the ids that other programs give; needs the shared test data.
#include "../Tokenizer/TestSpecs.h"
#include "Builders.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Support/File.h"
#include "stc/Tokenizer/StreamDecoder.h"

#include <sstream>

namespace stc {
namespace {

std::unique_ptr<Tokenizer> loadShared(const std::string &path) {
  auto tokenizer = loadTokenizer(sharedFolder() + "/" + path);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

std::string readShared(const std::string &path) {
  auto text = readFile(sharedFolder() + "/" + path);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

std::string streamAll(const Tokenizer &tokenizer, const Ids &ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids)
    text += decoder.push(id);
  return text + decoder.finish();
}

class PeerVocabulary : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (sharedFolder().empty())
      GTEST_SKIP() << "no shared test data";
  }
};

TEST_P(PeerVocabulary, GivesTheExpectedIds) {
  std::string path = std::string("tokenizers/") + GetParam() + ".gguf";
  auto tokenizer = loadShared(path);
  ASSERT_TRUE(tokenizer);
  std::string input = readShared(path + ".inp");
  std::istringstream output(readShared(path + ".out"));
  const std::string separator = "\n__ggml_vocab_test__\n";
  size_t cases = 0;
  std::string line;
  for (size_t at = 0; std::getline(output, line); ++cases) {
    size_t end = input.find(separator, at);
    ASSERT_NE(end, std::string::npos) << "fewer texts than lines of ids";
    std::string text = input.substr(at, end - at);
    at = end + separator.size();
    Ids expected;
    std::istringstream numbers(line);
    for (int32_t id; numbers >> id;)
      expected.push_back(id);
    Ids ids = encodePlain(*tokenizer, text);
    EXPECT_EQ(ids, expected) << "case " << cases << ": " << text;
    std::string decoded = decodeOrDie(*tokenizer, ids);
    EXPECT_EQ(streamAll(*tokenizer, ids), decoded) << "case " << cases;
    if (tokenizer->spec().kind != TokenizerSpec::Kind::WordPiece) {
      EXPECT_EQ(decoded, text) << "case " << cases;
      continue;
    }
    // WordPiece forgets case, accents and spaces; what is left says the same again. Unknown words
    // leave nothing.
    ids.erase(std::remove(ids.begin(), ids.end(), int32_t(tokenizer->spec().unknown)), ids.end());
    EXPECT_EQ(encodePlain(*tokenizer, decoded), ids) << "case " << cases << ": " << decoded;
  }
  EXPECT_EQ(cases, 46u);
}

TEST_P(PeerVocabulary, RestoresAnyBytes) {
  auto tokenizer = loadShared(std::string("tokenizers/") + GetParam() + ".gguf");
  ASSERT_TRUE(tokenizer);
  Random random(10);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (size_t length = random.next() % 200; text.size() < length;)
      text += round % 2 ? char(random.next()) : char(' ' + random.next() % 95);
    // Starcoder has no tokens for bytes that UTF-8 never uses; it says so.
    auto ids = tokenizer->encode(text, {});
    if (!ids.ok()) {
      EXPECT_THAT(std::string(ids.status().message()), testing::HasSubstr("no unknown token"));
      EXPECT_STREQ(GetParam(), "starcoder");
      continue;
    }
    if (tokenizer->spec().kind == TokenizerSpec::Kind::WordPiece)
      continue; // it forgets much of any text
    // SentencePiece cannot tell U+2581 from a space.
    if (text.find(kMarker) == std::string::npos)
      EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, text)), text);
  }
}

TEST_P(PeerVocabulary, SurvivesSerialization) {
  auto tokenizer = loadShared(std::string("tokenizers/") + GetParam() + ".gguf");
  ASSERT_TRUE(tokenizer);
  std::string bytes = tokenizer->serialize();
  auto again = Tokenizer::parse(bytes, "model");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->serialize(), bytes);
  std::string text = readShared(std::string("tokenizers/") + GetParam() + ".gguf.inp");
  EXPECT_EQ(encodePlain(**again, text), encodePlain(*tokenizer, text));
  for (size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 40)
    EXPECT_FALSE(Tokenizer::parse(bytes.substr(0, length), "model").ok()) << length;
}

INSTANTIATE_TEST_SUITE_P(Shared, PeerVocabulary,
                         testing::Values("llama-spm", "gpt-2", "starcoder", "bert-bge"),
                         [](const auto &info) {
                           std::string name = info.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

/// The list of numbers at `key` of a JSON object.
Ids idsOf(const JsonValue &object, absl::string_view key) {
  Ids ids;
  if (const JsonValue *list = object.find(key))
    for (const JsonValue &value : list->array)
      ids.push_back(int32_t(value.integer));
  return ids;
}

class GoldenModel : public testing::Test {
protected:
  void SetUp() override {
    if (sharedFolder().empty())
      GTEST_SKIP() << "no shared test data";
  }
  JsonValue readGolden(const std::string &path) {
    auto json = parseJson(readShared(path), path);
    EXPECT_TRUE(json.ok()) << json.status();
    return json.ok() ? *json : JsonValue();
  }
};

TEST_F(GoldenModel, StoriesPromptFromBothFormats) {
  JsonValue golden = readGolden("models/stories260k/golden.json");
  Ids expected = idsOf(golden, "prompt_tokens");
  ASSERT_FALSE(expected.empty());
  for (const char *path :
       {"models/stories260k", "models/stories260k.gguf", "models/stories260k/tokenizer.json"}) {
    auto tokenizer = loadShared(path);
    ASSERT_TRUE(tokenizer);
    const std::string &text = golden.find("prompt_text")->string;
    EXPECT_EQ(*tokenizer->encode(text, {}), expected) << path;
    EXPECT_EQ(decodeOrDie(*tokenizer, expected), text) << path;
    // Generated text comes back as the same ids, because it is what the model saw in training.
    Ids greedy = idsOf(golden, "greedy_tokens");
    EXPECT_EQ(*tokenizer->encode(decodeOrDie(*tokenizer, greedy), {}), greedy) << path;
    EXPECT_EQ(streamAll(*tokenizer, greedy), decodeOrDie(*tokenizer, greedy)) << path;
  }
}

TEST_F(GoldenModel, StoriesFormatsAgreeOnRandomText) {
  auto json = loadShared("models/stories260k"), gguf = loadShared("models/stories260k.gguf");
  ASSERT_TRUE(json && gguf);
  Random random(11);
  const auto &tokens = json->spec().tokens;
  for (int round = 0; round < 500; ++round) {
    std::string text = randomText(random, random.next() % 80, true);
    // Texts of tokens in any order give the merges something to do.
    for (int i = 0; i < 20; ++i)
      text += tokens[259 + random.next() % (tokens.size() - 259)].text;
    text += randomText(random, random.next() % 80);
    ASSERT_EQ(encodePlain(*json, text), encodePlain(*gguf, text)) << text;
  }
}

TEST_F(GoldenModel, BooksPromptsAndEvaluationTexts) {
  auto tokenizer = loadShared("models/books");
  ASSERT_TRUE(tokenizer);
  JsonValue golden = readGolden("models/books/golden.json");
  for (const char *name : {"greedy_a", "greedy_b"}) {
    const JsonValue *entry = golden.find(name);
    ASSERT_TRUE(entry);
    const std::string &text = entry->find("prompt_text")->string;
    EXPECT_EQ(*tokenizer->encode(text, {}), idsOf(*entry, "prompt_tokens"));
  }
  for (std::string name : {"kjv_valid", "books_valid"}) {
    const JsonValue *entry = golden.find(name);
    ASSERT_TRUE(entry);
    std::string text = readShared("models/books/eval/" + name + ".txt");
    Ids ids = encodePlain(*tokenizer, text), first = idsOf(*entry, "first_tokens");
    EXPECT_EQ(int64_t(ids.size()), entry->find("tokens")->integer);
    ASSERT_LE(first.size(), ids.size());
    EXPECT_EQ(Ids(ids.begin(), ids.begin() + long(first.size())), first);
    EXPECT_EQ(decodeOrDie(*tokenizer, ids), text);
  }
}

} // namespace
} // namespace stc
