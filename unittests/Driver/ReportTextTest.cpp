// Which windows a report takes, and what it says about the calibration text.
#include "../../lib/Driver/ReportText.h"
#include "../Support/TempFolder.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <fstream>

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

Sequences sequences(int64_t length, std::vector<int32_t> tokens) {
  Sequences result;
  result.length = length;
  result.count = result.available = int64_t(tokens.size()) / length;
  result.tokens = std::move(tokens);
  return result;
}

TEST(ReportText, FindsSharedRunsWhereverTheyLie) {
  Sequences text = sequences(4, {1, 2, 3, 4, 5, 6, 7, 8, 2, 3, 9, 9});
  Sequences seen = sequences(6, {0, 0, 1, 2, 3, 9});
  EXPECT_THAT(sharedRuns(text, seen, 3), ElementsAre(true, false, true));
  EXPECT_THAT(sharedRuns(text, seen, 4), ElementsAre(false, false, false));
  // Shorter than a run: all of the tokens.
  EXPECT_THAT(sharedRuns(text, sequences(2, {7, 8}), 32), ElementsAre(false, true, false));
}

TEST(ReportText, SpreadsWindows) {
  Sequences spread = spreadSequences(sequences(1, {0, 1, 2, 3, 4, 5, 6}), 3);
  EXPECT_THAT(spread.tokens, ElementsAre(0, 2, 4));
  EXPECT_EQ(spreadSequences(spread, 9).count, 3);
}

TEST(ReportText, KnowsSha256) {
  std::string abc = "abc";
  EXPECT_EQ(sha256({reinterpret_cast<const uint8_t *>(abc.data()), 3}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

struct IdsTest : testing::Test {
  /// A file of the ids first, first + 1 ...
  std::string write(const std::string &name, int first, int count) {
    std::string path = folder.path(name);
    std::ofstream file(path);
    for (int i = 0; i < count; ++i)
      file << first + i << " ";
    return path;
  }
  EvaluationTextOptions optionsFor(std::string name) {
    EvaluationTextOptions options;
    options.name = std::move(name);
    options.length = 8;
    options.windows = 4;
    options.reader.vocabulary = 1000;
    return options;
  }
  TempFolder folder;
};

TEST_F(IdsTest, CountsWindowsThatCalibrationHasSeen) {
  EvaluationTextOptions options = optionsFor(write("text.ids", 0, 64));
  options.calibration.text = write("calibration.ids", 0, 40);
  options.calibration.length = 8;
  auto text = readEvaluationText(options);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->facts.available, 8);
  EXPECT_EQ(text->facts.windows, 4);
  // Windows 0, 2, 4 and 6, of which the first five were seen.
  EXPECT_EQ(text->windows.tokens[8], 16);
  EXPECT_EQ(text->facts.seen, 3);
  EXPECT_EQ(text->facts.calibrationSequences, 5);
  EXPECT_EQ(text->form.bos, -1);
}

TEST_F(IdsTest, SaysNothingOfCalibrationWithoutOne) {
  auto text = readEvaluationText(optionsFor(write("text.ids", 0, 64)));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->facts.seen, 0);
  EXPECT_EQ(text->facts.calibration, "");
}

TEST_F(IdsTest, RefusesWhatItCannotRead) {
  auto fault = [&](const std::string &name) {
    auto text = readEvaluationText(optionsFor(name));
    return text.ok() ? "" : std::string(text.status().message());
  };
  EXPECT_THAT(fault(write("short.ids", 0, 7)),
              HasSubstr("expected at least 8 tokens to evaluate on, got 7"));
  EXPECT_THAT(fault(write("large.ids", 995, 20)), HasSubstr("token ids from 0 to 999"));
  EXPECT_EQ(fault("default"),
            "--report-text: expected a file of token ids (FILE.ids), as the model "
            "has no tokenizer, got none");
  EXPECT_THAT(fault(folder.path("none.ids")), HasSubstr("--report-text: "));
}

} // namespace
