// What one part alone costs is what the whole model costs where only that part was changed.
#include "../Reference/Helpers.h"
#include "TestGraphs.h"

#include "stc/Calibration/LayerDivergence.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "gmock/gmock.h"

using namespace stc;
using testing::HasSubstr;

namespace {

struct LayerDivergenceTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(test.parse(modelText(4)));
    auto opened = WeightStore::get(*test.module);
    ASSERT_TRUE(opened.ok());
    store = *opened;
  }
  /// Compresses a weight: every value becomes `factor` times what it was.
  void scale(const char *name, float factor) {
    auto weight = test.module->lookupSymbol<WeightOp>(name);
    auto values = store->load(weight);
    ASSERT_TRUE(values.ok());
    for (float &value : *values)
      value *= factor;
    ASSERT_TRUE(store->setValues(weight, *values).ok());
  }
  absl::StatusOr<std::vector<PartDivergence>> measure(mlir::ModuleOp reference,
                                                      mlir::ModuleOp compressed) {
    return measureLayerDivergences(reference, compressed, windows,
                                   [&](const std::string &name) { names.push_back(name); });
  }
  double whole(mlir::ModuleOp reference, mlir::ModuleOp compressed) {
    Divergence divergence(reference);
    EXPECT_TRUE(divergence.add(compressed, windows).ok());
    return divergence.divergence();
  }

  TestModule test;
  WeightStore *store = nullptr;
  Sequences windows = randomSequences(4, 10);
  std::vector<std::string> names; // that progress got
};

TEST_F(LayerDivergenceTest, OneChangedLayerCostsWhatTheModelCosts) {
  scale("l1.d", 0.7f);
  auto parts = measure({}, *test.module);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 4u);
  EXPECT_THAT(names, testing::ElementsAre("embedding", "l0", "l1", "head"));
  for (size_t i : {0, 1, 3})
    EXPECT_EQ((*parts)[i].divergence.divergence(), 0) << (*parts)[i].name;
  double expected = whole({}, *test.module);
  EXPECT_GT(expected, 1e-4);
  EXPECT_NEAR((*parts)[2].divergence.divergence(), expected, 1e-9);
  EXPECT_EQ((*parts)[2].divergence.tokens(), 36);
}

TEST_F(LayerDivergenceTest, APartDoesNotSeeWhatBeforeItWasCompressed) {
  scale("l1.d", 0.7f);
  auto alone = measure({}, *test.module);
  scale("l0.d", 0.5f);
  auto both = measure({}, *test.module);
  ASSERT_TRUE(alone.ok() && both.ok());
  EXPECT_EQ((*alone)[2].divergence.divergence(), (*both)[2].divergence.divergence());
  EXPECT_GT((*both)[1].divergence.divergence(), 1e-4);
}

TEST_F(LayerDivergenceTest, ATableThatIsTheHeadTooCostsTwice) {
  scale("embed", 0.8f);
  auto parts = measure({}, *test.module);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_GT(parts->front().divergence.divergence(), 1e-5);
  EXPECT_EQ((*parts)[1].divergence.divergence(), 0);
  EXPECT_GT(parts->back().divergence.divergence(), 1e-5);
}

TEST_F(LayerDivergenceTest, ARemovedLayerIsSteppedOver) {
  mlir::OwningOpRef<mlir::ModuleOp> pruned(test.module->clone());
  LayerOp first;
  pruned->walk([&](LayerOp layer) { first = first ? first : layer; });
  first.getResult().replaceAllUsesWith(first.getInput());
  first.erase();
  auto parts = measure(*test.module, *pruned);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 4u);
  EXPECT_TRUE((*parts)[1].removed);
  EXPECT_FALSE((*parts)[2].removed);
  EXPECT_NEAR((*parts)[1].divergence.divergence(), whole(*test.module, *pruned), 1e-9);
  EXPECT_EQ((*parts)[2].divergence.divergence(), 0);
  // A layer that only the compressed model has cannot be told what it costs.
  auto swapped = measure(*pruned, *test.module);
  ASSERT_FALSE(swapped.ok());
  EXPECT_THAT(std::string(swapped.status().message()), HasSubstr("layers that the source has"));
}

TEST_F(LayerDivergenceTest, RefusesARotatedHiddenState) {
  scale("embed", -1);
  auto parts = measure({}, *test.module);
  ASSERT_FALSE(parts.ok());
  EXPECT_THAT(std::string(parts.status().message()), HasSubstr("got another one, perhaps rotated"));
}

} // namespace
