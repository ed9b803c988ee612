// Stop sequences in texts that come in pieces.
#include "stc/Runtime/StopSequences.h"

#include "stc/Support/Random.h"

#include "gtest/gtest.h"

namespace stc {
namespace {

/// All that is shown of `text` in pieces of `sizes`, the last size repeated.
std::string show(const std::vector<std::string> &sequences, const std::string &text,
                 std::vector<size_t> sizes, bool *found = nullptr) {
  StopSequences stops(sequences);
  std::string shown;
  for (size_t at = 0, i = 0; at < text.size(); ++i) {
    size_t size = sizes[std::min(i, sizes.size() - 1)];
    shown += stops.push(text.substr(at, size));
    at += size;
  }
  if (found)
    *found = stops.found();
  return shown + stops.finish();
}

TEST(StopSequences, EndTheText) {
  bool found = false;
  for (size_t size : {1, 2, 3, 5, 100}) {
    EXPECT_EQ(show({"STOP"}, "abcSTOPdef", {size}, &found), "abc") << size;
    EXPECT_TRUE(found);
    EXPECT_EQ(show({"STOP"}, "abcSTO", {size}, &found), "abcSTO") << size;
    EXPECT_FALSE(found);
    EXPECT_EQ(show({"aab"}, "xaaaabc", {size}), "xaa") << size;
    EXPECT_EQ(show({"\nUser:", "\n\n"}, "Hi\nUse it\n\nBye", {size}), "Hi\nUse it") << size;
    EXPECT_EQ(show({}, "abc", {size}), "abc");
    EXPECT_EQ(show({"", "c"}, "abcd", {size}), "ab");
  }
}

TEST(StopSequences, ShowWhatCannotBecomeOne) {
  StopSequences stops({"ab"});
  EXPECT_EQ(stops.push("xa"), "x");
  EXPECT_EQ(stops.push("c"), "ac");
  EXPECT_EQ(stops.push("aa"), "a");
  EXPECT_EQ(stops.push("b!"), "");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopSequences, PiecesDoNotMatter) {
  Random random(7);
  int stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    auto word = [&](uint64_t longest) {
      std::string text;
      for (uint64_t n = 1 + random.next() % longest; n > 0; --n)
        text += char('a' + random.next() % 3);
      return text;
    };
    std::vector<std::string> sequences = {word(4), word(4)};
    std::string text = word(20);
    // By the definition: the first place where a sequence is complete, and the longest there.
    size_t shown = text.size();
    for (size_t end = 1; end <= text.size() && shown == text.size(); ++end)
      for (const std::string &sequence : sequences)
        if (end >= sequence.size() &&
            text.compare(end - sequence.size(), sequence.size(), sequence) == 0)
          shown = std::min(shown, end - sequence.size());
    stopped += shown < text.size();
    std::vector<size_t> sizes;
    for (int i = 0; i < 20; ++i)
      sizes.push_back(1 + random.next() % 4);
    ASSERT_EQ(show(sequences, text, sizes), text.substr(0, shown))
        << text << ": " << sequences[0] << ", " << sequences[1];
    ASSERT_EQ(show(sequences, text, {100}), text.substr(0, shown));
  }
  EXPECT_GT(stopped, 300);
}

} // namespace
} // namespace stc
