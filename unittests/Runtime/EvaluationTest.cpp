// Evaluation: the windows, and the sums by definition, on the fake model.
#include "FakeModel.h"

#include "stc/Runtime/Evaluation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

namespace stc {
namespace {

using testing::HasSubstr;

TEST(Evaluation, PerplexityByHand) {
  Perplexity perplexity;
  for (double loss : {1.0, 2.0, 3.0, 6.0})
    perplexity.losses.add(loss);
  // Mean 3; squared deviations 4 + 1 + 0 + 9 = 14, over 3 is the variance, over 4 that of the mean.
  EXPECT_DOUBLE_EQ(perplexity.value(), std::exp(3.0));
  EXPECT_DOUBLE_EQ(perplexity.standardError(), std::exp(3.0) * std::sqrt(14.0 / 3 / 4));
  Perplexity one;
  one.losses.add(2);
  EXPECT_EQ(one.standardError(), 0);
}

TEST(Evaluation, HeadersTellWindowsApart) {
  std::vector<EvalWindow> two = {{1, 2, 3}, {4, 5, 6}};
  LogitsHeader header = describeLogits(264, 3, two);
  EXPECT_EQ(header.vocabulary, 264u);
  EXPECT_EQ(header.context, 3u);
  EXPECT_EQ(header.rows, 4u);
  EXPECT_EQ(header.tokensHash, describeLogits(264, 3, two).tokensHash);
  for (const std::vector<EvalWindow> &other :
       {std::vector<EvalWindow>{{1, 2, 3}, {4, 5, 7}}, {{1, 2}, {3, 4, 5, 6}}, {{1, 2, 3}}})
    EXPECT_NE(header.tokensHash, describeLogits(264, 3, other).tokensHash);
}

/// The log-probabilities of logits, by definition.
std::vector<double> logProbabilities(const std::vector<float> &logits) {
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit));
  std::vector<double> result;
  for (float logit : logits)
    result.push_back(double(logit) - std::log(sum));
  return result;
}

/// The same as `evaluate` by definition: every prediction from the hand-written logits. The
/// reference is the fake model that has read another first token.
Evaluation byDefinition(const std::vector<EvalWindow> &windows) {
  Evaluation result;
  for (const EvalWindow &window : windows)
    for (size_t i = 1; i < window.size(); ++i) {
      EvalWindow read(window.begin(), window.begin() + long(i));
      std::vector<double> model = logProbabilities(test::expectedLogits(read));
      read[0] = (read[0] + 1) % 256;
      std::vector<double> reference = logProbabilities(test::expectedLogits(read));
      double divergence = 0;
      for (size_t v = 0; v < model.size(); ++v)
        divergence += std::exp(reference[v]) * (reference[v] - model[v]);
      result.model.losses.add(-model[size_t(window[i])]);
      result.reference.losses.add(-reference[size_t(window[i])]);
      result.divergences.add(divergence);
      result.agreements.add(std::max_element(model.begin(), model.end()) - model.begin() ==
                            std::max_element(reference.begin(), reference.end()) -
                                reference.begin());
    }
  return result;
}

void expectNear(const SampleMean &got, const SampleMean &expected, double tolerance) {
  EXPECT_EQ(got.count(), expected.count());
  EXPECT_NEAR(got.mean(), expected.mean(), tolerance);
  EXPECT_NEAR(got.standardError(), expected.standardError(), tolerance);
}

/// A file with the logits of the reference of `byDefinition`.
void writeReference(const std::string &path, LogitsHeader header,
                    const std::vector<EvalWindow> &windows) {
  auto writer = LogitsWriter::create(path, header).value();
  std::vector<uint8_t> row(header.rowBytes());
  for (const EvalWindow &window : windows)
    for (size_t i = 1; i < window.size(); ++i) {
      EvalWindow read(window.begin(), window.begin() + long(i));
      read[0] = (read[0] + 1) % 256;
      std::vector<float> logits = test::expectedLogits(read);
      writer->encode(logits, logSumExp(logits), row.data());
      ASSERT_TRUE(writer->write(row).ok());
    }
  absl::Status finished = writer->finish();
  ASSERT_TRUE(finished.ok()) << finished;
}

TEST(Evaluation, OfTheFakeModel) {
  test::TemporaryDirectory directory;
  std::string path = directory / "reference.stcl";
  test::FakeModel model(2);
  auto session = Session::create(*model).value();
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 75; ++i)
    tokens.push_back(i * 31 % 256);
  for (int64_t context : {2, 8, 13, 20}) {
    for (bool bos : {false, true}) {
      auto windows = cutWindows({"", tokens}, {context, bos ? test::fakeBos : -1}).value();
      Evaluation expected = byDefinition(windows);
      int64_t reported = 0;
      auto progress = [&](int64_t scored) { reported += scored; };
      auto alone = evaluate(*session, windows, nullptr, nullptr, progress);
      ASSERT_TRUE(alone.ok()) << alone.status();
      EXPECT_EQ(reported, scoredTokens(windows));
      expectNear(alone->model.losses, expected.model.losses, 1e-9);
      EXPECT_EQ(alone->divergences.count(), 0);

      for (uint32_t bits : {16, 32}) {
        LogitsHeader header = describeLogits(test::fakeVocab, context, windows);
        header.bits = bits;
        writeReference(path, header, windows);
        auto reader = LogitsReader::open(path, {}).value();
        ASSERT_TRUE(reader->check(header).ok());
        auto compared = evaluate(*session, windows, reader.get(), nullptr, progress);
        ASSERT_TRUE(compared.ok()) << compared.status();
        EXPECT_TRUE(reader->finish().ok());
        double tolerance = bits == 32 ? 1e-9 : 2e-2; // of log-probabilities from -13 on
        expectNear(compared->model.losses, expected.model.losses, 1e-9);
        expectNear(compared->reference.losses, expected.reference.losses, tolerance);
        expectNear(compared->divergences, expected.divergences, tolerance);
        if (bits == 32)
          expectNear(compared->agreements, expected.agreements, 1e-12);
      }
    }
  }
}

TEST(Evaluation, SavesWhatItReads) {
  test::TemporaryDirectory directory;
  std::string path = directory / "own.stcl";
  test::FakeModel model(2);
  auto session = Session::create(*model).value();
  std::vector<EvalWindow> windows = {{5, 9, 200, 3}, {258, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
  LogitsHeader header = describeLogits(test::fakeVocab, 11, windows);
  auto writer = LogitsWriter::create(path, header).value();
  auto ignore = [](int64_t) {};
  ASSERT_TRUE(evaluate(*session, windows, nullptr, writer.get(), ignore).ok());
  ASSERT_TRUE(writer->finish().ok());
  auto reader = LogitsReader::open(path, {}).value();
  ASSERT_TRUE(reader->check(header).ok());
  Evaluation result = evaluate(*session, windows, reader.get(), nullptr, ignore).value();
  EXPECT_NEAR(result.reference.value() / result.model.value(), 1, 1e-2);
  EXPECT_GE(result.divergences.mean(), -1e-12);
  EXPECT_LT(result.divergences.mean(), 1e-4);
}

TEST(Evaluation, LogitsThatAreNoNumbersAreErrors) {
  test::TemporaryDirectory directory;
  std::string path = directory / "nan.stcl";
  test::FakeModel model;
  auto session = Session::create(*model).value();
  std::vector<EvalWindow> windows = {{5, 9}};
  LogitsHeader header = describeLogits(test::fakeVocab, 2, windows);
  auto writer = LogitsWriter::create(path, header).value();
  std::vector<float> logits(test::fakeVocab, NAN);
  std::vector<uint8_t> row(header.rowBytes());
  writer->encode(logits, 0, row.data());
  ASSERT_TRUE(writer->write(row).ok());
  ASSERT_TRUE(writer->finish().ok());
  auto reader = LogitsReader::open(path, {}).value();
  auto result = evaluate(*session, windows, reader.get(), nullptr, [](int64_t) {});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("nan.stcl: logits: expected numbers, got NaN"));
}

} // namespace
} // namespace stc
