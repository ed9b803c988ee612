// Streaming: whole characters only, and in all the same text as decoding at once.
#include "stc/Tokenizer/StreamDecoder.h"

#include "TestSpecs.h"

namespace stc {
namespace {

std::string streamAll(const Tokenizer &tokenizer, const Ids &ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids) {
    std::string part = decoder.push(id);
    EXPECT_TRUE(isValidUtf8(part));
    text += part;
  }
  return text + decoder.finish();
}

TEST(StreamDecoder, HoldsBackUnfinishedCharacters) {
  auto tokenizer = createOrDie(byteLevelSpec());
  Ids ids = encodePlain(*tokenizer, "a\xF0\x9F\x98\x80");
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(ids[0]), "a");
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.push(ids[2]), "");
  EXPECT_EQ(decoder.push(ids[3]), "");
  EXPECT_EQ(decoder.push(ids[4]), "\xF0\x9F\x98\x80");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, MalformedBytesBecomeReplacements) {
  auto tokenizer = createOrDie(byteLevelSpec());
  auto stream = [&](const std::string &bytes) {
    return streamAll(*tokenizer, encodePlain(*tokenizer, bytes));
  };
  EXPECT_EQ(stream("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(stream("\xE2\x82"), "\xEF\xBF\xBD");
  EXPECT_EQ(stream("\xE2(z"), "\xEF\xBF\xBD(z");
  EXPECT_EQ(stream("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(stream("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(stream("\xF4\x90\x80\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(StreamDecoder, StripsThePrefixSpaceOnce) {
  auto tokenizer = createOrDie(sentencePieceSpec({kMarker, "a", kMarker + "a"}));
  int32_t word = idOf(*tokenizer, kMarker + "a");
  EXPECT_EQ(streamAll(*tokenizer, {1, word, word, 2}), "a a");
  StreamDecoder continued(*tokenizer, /*midText=*/true);
  EXPECT_EQ(continued.push(word), " a");
}

TEST(StreamDecoder, AgreesWithDecode) {
  Random random(5);
  auto bytes = createOrDie(byteLevelSpec({{"a", "b"}, {"\xC3", "\xA9"}, {" ", "a"}}));
  auto pieces = createOrDie(sentencePieceSpec({kMarker, "a", "b", "ab", kMarker + "ab"}));
  for (int round = 0; round < 200; ++round) {
    std::string text = randomText(random, random.next() % 60);
    for (const Tokenizer *tokenizer : {bytes.get(), pieces.get()}) {
      Ids ids = encodePlain(*tokenizer, text);
      EXPECT_EQ(streamAll(*tokenizer, ids), decodeOrDie(*tokenizer, ids));
    }
  }
}

} // namespace
} // namespace stc
