// Random packed matrices are valid, and as dense as was asked.
#include "stc/Target/Autotune/RandomWeights.h"

#include "stc/Packing/Pack.h"

#include "gtest/gtest.h"

#include <algorithm>

using namespace stc;

namespace {

/// The share of weights that are not zero. Fails the test if the bytes break the layout's rules.
double densityOf(const Layout &layout, double density) {
  constexpr int64_t rows = 50, columns = 384;
  auto values = unpack(layout, rows, columns, randomWeights(layout, rows, columns, density));
  EXPECT_TRUE(values.ok()) << layout.str() << ": " << values.status();
  if (!values.ok())
    return -1;
  auto zeros = std::count(values->begin(), values->end(), 0.0f);
  return 1 - double(zeros) / double(values->size());
}

TEST(RandomWeights, AreValidInEveryLayout) {
  int layouts = 0;
  for (LayoutKind kind : {LayoutKind::Dense, LayoutKind::Bitmap, LayoutKind::NM, LayoutKind::Pairs,
                          LayoutKind::Block})
    for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16,
                                ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
      for (int64_t group : {0, 16, 32, 128})
        for (int own : {0, 1, 2}) // nothing, zeros or minimums
          for (bool perRow : {false, true}) {
            Layout layout{kind, element, group};
            layout.asymmetric = own == 1;
            layout.minimums = own == 2;
            layout.perRow = perRow;
            if (kind == LayoutKind::NM || kind == LayoutKind::Pairs) {
              layout.n = 4;
              layout.m = 16;
            }
            if (!verifyLayout(layout).ok())
              continue;
            ++layouts;
            EXPECT_GT(densityOf(layout, 0.5), 0.1) << layout.str();
          }
  EXPECT_GE(layouts, 40);
}

TEST(RandomWeights, AreAsDenseAsAsked) {
  for (double density : {0.1, 0.5, 0.9}) {
    EXPECT_NEAR(densityOf({LayoutKind::Bitmap, ElementKind::I8, 32}, density), density, 0.03);
    EXPECT_NEAR(densityOf({LayoutKind::Bitmap, ElementKind::BF16}, density), density, 0.03);
    EXPECT_NEAR(densityOf({LayoutKind::Block, ElementKind::I8, 32}, density), density, 0.15);
  }
  Layout quarter{LayoutKind::Pairs, ElementKind::I4, 128};
  quarter.n = 4;
  quarter.m = 16;
  EXPECT_NEAR(densityOf(quarter, 1), 0.25, 0.001);
}

} // namespace
