// Tests of the text form of budgets.
#include "stc/Dialect/STC/Utils/Budget.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::HasSubstr;

TEST(BudgetTest, ReadsEveryForm) {
  absl::StatusOr<Budget> budget = parseBudget("kl<=0.02");
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->quantity, Budget::Quantity::Divergence);
  EXPECT_EQ(budget->limit, 0.02);
  EXPECT_EQ(budget->objective, Budget::Objective::Speed);
  EXPECT_EQ(budget->str(), "kl<=0.02");
  budget = parseBudget("ppl<=1.03", "size");
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_TRUE(budget->isRatio());
  EXPECT_EQ(budget->objective, Budget::Objective::Size);
  budget = parseBudget("ppl<=31.5");
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_FALSE(budget->isRatio());
  budget = parseBudget("bytes<=4.2M", "quality");
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->limit, 4.2e6);
  EXPECT_EQ(budget->objective, Budget::Objective::Quality);
  EXPECT_EQ(budget->strWith(5e6), "bytes<=5000000");
  budget = parseBudget("tokens/s>=50");
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->quantity, Budget::Quantity::Speed);
  EXPECT_EQ(budget->str(), "tokens/s>=50");
}

TEST(BudgetTest, RefusesTheRest) {
  for (const char *text :
       {"",          "kl",       "kl<0.1",      "kl<=",        "kl<=x",     "kl<=0",    "kl<=-1",
        "kl<=nan",   "kl<=inf",  "kl<=1M",      "ppl<=1",      "ppl<=0.9",  "bytes<=0", "bytes<=M",
        "bytes<=1T", "bytes>=5", "tokens/s<=5", "tokens/s>=0", "kl<=1e999", "kl<=0.1 "})
    EXPECT_THAT(parseBudget(text).status().message(), HasSubstr("budget: expected kl<=X, ppl<=R"))
        << text;
  EXPECT_EQ(parseBudget("kl<=0.1", "quality").status().message(),
            "objective: expected speed or size beside kl<=X, got quality");
  EXPECT_EQ(parseBudget("bytes<=1M", "speed").status().message(),
            "objective: expected quality beside bytes<=X, got speed");
  EXPECT_EQ(parseBudget("tokens/s>=9", "sped").status().message(),
            "objective: expected quality beside tokens/s>=X, got sped");
}

} // namespace
TEST(BudgetTest, OfVectorsIsForEncodersAlone) {
  Budget cosine = *parseBudget("cosine<=0.001", "size"), kl = *parseBudget("kl<=0.1"),
         bytes = *parseBudget("bytes<=1M");
  EXPECT_EQ(cosine.quantity, Budget::Quantity::Cosine);
  EXPECT_TRUE(cosine.limitsLoss());
  EXPECT_EQ(cosine.str(), "cosine<=0.001");
  EXPECT_TRUE(cosine.check(/*isEncoder=*/true).ok());
  EXPECT_FALSE(cosine.check(/*isEncoder=*/false).ok());
  EXPECT_TRUE(kl.check(/*isEncoder=*/false).ok());
  EXPECT_EQ(kl.check(/*isEncoder=*/true).message(),
            "budget: expected cosine<=X or bytes<=B for an encoder, which has vectors and predicts "
            "no tokens, got kl<=0.1");
  EXPECT_TRUE(bytes.check(true).ok() && bytes.check(false).ok());
  EXPECT_FALSE(parseBudget("cosine<=0").ok());
}

} // namespace stc
