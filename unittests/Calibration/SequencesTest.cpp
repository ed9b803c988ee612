// Cutting calibration text into sequences.
#include "stc/Calibration/Sequences.h"

#include "../Support/TempFolder.h"
#include "gmock/gmock.h"

#include <numeric>

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

// Tests run beside each other, so each has a folder of its own.
class IdsFile {
  TempFolder folder;

public:
  explicit IdsFile(const std::string &text) : path(folder.write("sequences.ids", text)) {}
  const std::string path;
};

std::string countTo(int last) {
  std::string text;
  for (int i = 0; i < last; ++i)
    text += std::to_string(i) + (i % 3 == 0 ? "\n" : i % 3 == 1 ? ", " : "\t");
  return text;
}

TEST(Sequences, TakesWholeWindowsSpreadOverTheText) {
  IdsFile file(countTo(23));
  auto all = readSequences(file.path, {nullptr, 50}, 100, 4);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->count, 5);
  EXPECT_EQ(all->available, 5);
  std::vector<int32_t> expected(20);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all->tokens, expected);

  auto two = readSequences(file.path, {nullptr, 50}, 2, 4);
  ASSERT_TRUE(two.ok());
  EXPECT_THAT(two->tokens, ElementsAre(0, 1, 2, 3, 8, 9, 10, 11));
}

TEST(Sequences, OfAnEncoderDecoderHaveTwoParts) {
  IdsFile file(countTo(23));
  TextReader reader{nullptr, 50};
  reader.decoderStart = 40;
  auto two = readSequences(file.path, reader, 2, 7);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_THAT(two->tokens, ElementsAre(0, 1, 2, 40, 3, 4, 5, 6, 7, 8, 40, 9, 10, 11));
  EXPECT_EQ(two->available, 3);
  EXPECT_EQ(two->sourceLength, 3);
  EXPECT_EQ(two->mainLength(), 4);
  EXPECT_EQ(two->mainToken(1, 0), 40);
  EXPECT_EQ(two->mainToken(1, 1), 9);
  Sequences last = two->slice(1, 1);
  EXPECT_THAT(last.tokens, ElementsAre(6, 7, 8, 40, 9, 10, 11));
  EXPECT_EQ(last.sourceLength, 3);
  // No room for a token on each side.
  EXPECT_THAT(std::string(readSequences(file.path, reader, 1, 2).status().message()),
              HasSubstr("expected longer sequences, got 2 tokens"));
}

TEST(Sequences, RefusesWhatIsNoText) {
  IdsFile file(countTo(23));
  EXPECT_THAT(std::string(readSequences(file.path, {nullptr, 50}, 1, 24).status().message()),
              HasSubstr("expected at least 24 tokens to calibrate on, got 23"));
  EXPECT_THAT(std::string(readSequences(file.path, {nullptr, 22}, 1, 4).status().message()),
              HasSubstr("expected token ids from 0 to 21, got 22"));
  IdsFile words("1 2 three");
  EXPECT_THAT(std::string(readSequences(words.path, {nullptr, 50}, 1, 2).status().message()),
              HasSubstr("got three"));
  EXPECT_FALSE(readSequences("/does/not/exist.ids", {nullptr, 50}, 1, 2).ok());
  EXPECT_THAT(std::string(readSequences("default", {nullptr, 50}, 1, 2).status().message()),
              HasSubstr("as the model has no tokenizer"));
}

TEST(Sequences, HasATextOfItsOwn) {
  EXPECT_GT(defaultCalibrationText().size(), 100000u);
  EXPECT_EQ(defaultCalibrationText().find('\0'), absl::string_view::npos);
}

} // namespace
