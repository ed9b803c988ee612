// Cutting calibration text into sequences.
#include "stc/Calibration/Sequences.h"

#include "gmock/gmock.h"

#include <cstdio>
#include <fstream>
#include <numeric>

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

class IdsFile {
public:
  explicit IdsFile(const std::string &text) : path(testing::TempDir() + "sequences.ids") {
    std::ofstream(path) << text;
  }
  ~IdsFile() { std::remove(path.c_str()); }
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
  auto all = readSequences(file.path, nullptr, 100, 4, 50);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->count, 5);
  EXPECT_EQ(all->available, 5);
  std::vector<int32_t> expected(20);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all->tokens, expected);

  auto two = readSequences(file.path, nullptr, 2, 4, 50);
  ASSERT_TRUE(two.ok());
  EXPECT_THAT(two->tokens, ElementsAre(0, 1, 2, 3, 8, 9, 10, 11));
}

TEST(Sequences, RefusesWhatIsNoText) {
  IdsFile file(countTo(23));
  EXPECT_THAT(std::string(readSequences(file.path, nullptr, 1, 24, 50).status().message()),
              HasSubstr("expected at least 24 tokens to calibrate on, got 23"));
  EXPECT_THAT(std::string(readSequences(file.path, nullptr, 1, 4, 22).status().message()),
              HasSubstr("expected token ids from 0 to 21, got 22"));
  IdsFile words("1 2 three");
  EXPECT_THAT(std::string(readSequences(words.path, nullptr, 1, 2, 50).status().message()),
              HasSubstr("got three"));
  EXPECT_FALSE(readSequences("/does/not/exist.ids", nullptr, 1, 2, 50).ok());
  EXPECT_THAT(std::string(readSequences("default", nullptr, 1, 2, 50).status().message()),
              HasSubstr("as the model has no tokenizer"));
}

TEST(Sequences, HasATextOfItsOwn) {
  EXPECT_GT(defaultCalibrationText().size(), 100000u);
  EXPECT_EQ(defaultCalibrationText().find('\0'), absl::string_view::npos);
}

} // namespace
