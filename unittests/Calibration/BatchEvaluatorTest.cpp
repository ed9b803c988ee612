// Graphs over many sequences at once, against the float64 interpreter one by one.
#include "../Reference/Helpers.h"
#include "TestGraphs.h"

#include "stc/Calibration/Divergence.h"
#include "stc/Support/Parallel.h"

#include "gmock/gmock.h"

#include <cmath>

using namespace stc;
using testing::HasSubstr;

namespace {

void expectAgreement(const std::string &text) {
  TestModule test;
  ASSERT_TRUE(test.parse(text));
  auto store = WeightStore::get(*test.module);
  ASSERT_TRUE(store.ok());
  Sequences sequences = randomSequences(3, 9);
  auto logits = evaluateOutputs(*test.module, sequences,
                                [&](WeightOp weight) { return (*store)->load(weight); });
  ASSERT_TRUE(logits.ok()) << logits.status();
  ASSERT_EQ((*logits)->columns, kVocabulary);
  double largest = 0;
  for (int64_t i = 0; i < sequences.count; ++i) {
    Interpreter interpreter(*test.module);
    auto expected = interpreter.logits(absl::MakeSpan(sequences.tokens).subspan(size_t(i * 9), 9));
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (size_t j = 0; j < expected->values.size(); ++j) {
      double wanted = expected->values[j];
      largest = std::max(largest, std::abs(wanted));
      ASSERT_NEAR((*logits)->values[size_t(i * 9 * kVocabulary) + j], wanted,
                  1e-5 * (1 + std::abs(wanted)))
          << "sequence " << i << " logit " << j;
    }
  }
  EXPECT_GT(largest, 0.1);
}

TEST(BatchEvaluator, AgreesWithTheInterpreter) { expectAgreement(modelText(1)); }

TEST(BatchEvaluator, AgreesOnWhatOnlySomeFamiliesHave) { expectAgreement(familyText(1)); }

TEST(BatchEvaluator, RefusesPositionsWithoutEmbedding) {
  TestModule test;
  ASSERT_TRUE(test.parse(familyText(1)));
  auto store = WeightStore::get(*test.module);
  auto logits = evaluateOutputs(*test.module, randomSequences(1, 13),
                                [&](WeightOp weight) { return (*store)->load(weight); });
  ASSERT_FALSE(logits.ok());
  EXPECT_THAT(std::string(logits.status().message()),
              HasSubstr("position: expected one of 12 rows, got 12"));
}

TEST(BatchEvaluator, GivesTheSameForAnyNumberOfThreads) {
  TestModule test;
  ASSERT_TRUE(test.parse(modelText(2)));
  auto store = WeightStore::get(*test.module);
  Sequences sequences = randomSequences(5, 12);
  std::vector<float> first;
  for (int threads : {1, 2, 3}) {
    setParallelThreads(threads);
    auto logits = evaluateOutputs(*test.module, sequences,
                                  [&](WeightOp weight) { return (*store)->load(weight); });
    ASSERT_TRUE(logits.ok()) << logits.status();
    if (first.empty())
      first = (*logits)->values;
    EXPECT_EQ(first, (*logits)->values) << threads << " threads";
  }
  setParallelThreads(0);
}

TEST(BatchEvaluator, NamesWhatItCannotRun) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    stc.weight @embed : tensor<11x2xf32> {value = dense<1.0> : tensor<11x2xf32>}
    func.func @forward(%t: tensor<?xi32>) -> tensor<?x2xf32> {
      %table = stc.get_weight @embed : tensor<11x2xf32>
      %e = stc.embedding %t, %table : (tensor<?xi32>, tensor<11x2xf32>) -> tensor<?x2xf32>
      %s = arith.subf %e, %e : tensor<?x2xf32>
      return %s : tensor<?x2xf32>
    }
    func.func @head(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
      return %x : tensor<?x2xf32>
    })mlir"));
  auto store = WeightStore::get(*test.module);
  auto logits = evaluateOutputs(*test.module, randomSequences(1, 4),
                                [&](WeightOp weight) { return (*store)->load(weight); });
  ASSERT_FALSE(logits.ok());
  EXPECT_THAT(std::string(logits.status().message()),
              HasSubstr("arith.subf: expected an operation that calibration can run"));
}

} // namespace
