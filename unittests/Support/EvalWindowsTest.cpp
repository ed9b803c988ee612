// Cutting texts into the windows that models are measured on.
#include "stc/Support/EvalWindows.h"

#include "gmock/gmock.h"

using namespace stc;
using testing::HasSubstr;

namespace {

std::vector<int32_t> countTo(int32_t end) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < end; ++i)
    tokens.push_back(i);
  return tokens;
}

TEST(EvalWindows, AreWholeUnlessOneIsAllThereIs) {
  using Windows = std::vector<EvalWindow>;
  auto cut = [](int32_t tokens, int64_t context, int64_t bos) {
    return cutWindows({"text", countTo(tokens)}, {context, bos}).value();
  };
  EXPECT_EQ(cut(10, 4, -1), (Windows{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(cut(8, 4, -1), (Windows{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(cut(3, 4, -1), (Windows{{0, 1, 2}}));
  EXPECT_EQ(cut(4, 4, -1), (Windows{{0, 1, 2, 3}}));
  EXPECT_EQ(cut(7, 4, 9), (Windows{{9, 0, 1, 2}, {9, 3, 4, 5}}));
  EXPECT_EQ(cut(2, 4, 9), (Windows{{9, 0, 1}}));
  EXPECT_EQ(scoredTokens(cut(7, 4, 9)), 6);
  EXPECT_EQ(scoredTokens(cut(10, 4, -1)), 6);
}

TEST(EvalWindows, NeedTwoTokens) {
  for (int32_t tokens : {0, 1}) {
    auto windows = cutWindows({"short.txt", countTo(tokens)}, {8, -1});
    ASSERT_FALSE(windows.ok());
    EXPECT_THAT(std::string(windows.status().message()),
                HasSubstr("short.txt: text: expected at least two tokens in a window"));
  }
  EXPECT_TRUE(cutWindows({"", countTo(1)}, {8, 9}).ok());
  EXPECT_FALSE(cutWindows({"", countTo(0)}, {8, 9}).ok());
}

TEST(EvalWindows, OfAnEncoderDecoderHaveTwoParts) {
  using Windows = std::vector<EvalWindow>;
  auto cut = [](int32_t tokens, const WindowForm &form) {
    return cutWindows({"text", countTo(tokens)}, form).value();
  };
  // The encoder's end with 90, the decoder's begin with 80.
  WindowForm form{7, -1, 80, 90};
  EXPECT_EQ(form.sourceLength(), 3);
  EXPECT_EQ(form.ownTokens(), 5);
  EXPECT_EQ(cut(11, form), (Windows{{0, 1, 90, 80, 2, 3, 4}, {5, 6, 90, 80, 7, 8, 9}}));
  EXPECT_EQ(cut(3, form), (Windows{{0, 90, 80, 1, 2}}));
  EXPECT_EQ(cut(2, form), (Windows{{0, 90, 80, 1}}));
  EXPECT_EQ(scoredTokens(cut(11, form), /*isPair=*/true), 6);
  EXPECT_EQ(scoredTokens(cut(3, form), /*isPair=*/true), 2);
  EXPECT_EQ(cut(6, {6, -1, 80, -1}), (Windows{{0, 1, 2, 80, 3, 4}}));
  EXPECT_EQ(cut(6, {6, 70, 80, -1}), (Windows{{70, 0, 1, 80, 2, 3}}));
  for (const WindowForm &each : {form, WindowForm{7, 70, 80, 90}, WindowForm{7, -1, 80, -1},
                                 WindowForm{7, 70, -1, 90}, WindowForm{7, -1, -1, -1}}) {
    std::vector<int32_t> own = countTo(int32_t(each.ownTokens())), window, again;
    each.append(own, window);
    EXPECT_EQ(window.size(), 7u);
    each.appendOwn(window, again);
    EXPECT_EQ(again, own);
  }
  auto windows = cutWindows({"short.txt", countTo(1)}, form);
  ASSERT_FALSE(windows.ok());
  EXPECT_THAT(
      std::string(windows.status().message()),
      HasSubstr("short.txt: text: expected a token for the encoder and one for the decoder"));
  EXPECT_FALSE(cutWindows({"", countTo(9)}, {3, -1, 80, 90}).ok());
}

} // namespace
