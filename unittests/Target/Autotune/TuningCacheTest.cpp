// The file of measured choices: what is written is read again, and damage is ignored.
#include "stc/Target/Autotune/TuningCache.h"

#include "../../Support/TempFolder.h"

#include "gmock/gmock.h"

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

TEST(TuningCache, KeepsWhatWasAdded) {
  TempFolder folder;
  std::string directory = folder.path("new/folder");
  TuningCache first(directory, "a machine");
  EXPECT_EQ(first.find("key"), std::nullopt);
  first.add("key", "value <with> = signs");
  first.add("other", "2");
  EXPECT_EQ(first.find("key"), "value <with> = signs");
  ASSERT_TRUE(first.save().ok());
  ASSERT_TRUE(first.save().ok()); // nothing new

  TuningCache second(directory, "a machine");
  EXPECT_THAT(second.problems(), IsEmpty());
  EXPECT_EQ(second.find("key"), "value <with> = signs");
  EXPECT_EQ(second.find("other"), "2");
  EXPECT_EQ(second.path(), first.path());
  EXPECT_EQ(TuningCache(directory, "another machine").find("key"), std::nullopt);
}

TEST(TuningCache, WritersDoNotLoseEachOthersResults) {
  TempFolder folder;
  TuningCache first(folder.path(), "m"), second(folder.path(), "m");
  first.add("a", "1");
  first.add("both", "1");
  second.add("b", "2");
  second.add("both", "2");
  ASSERT_TRUE(first.save().ok());
  ASSERT_TRUE(second.save().ok());
  TuningCache third(folder.path(), "m");
  EXPECT_EQ(third.find("a"), "1");
  EXPECT_EQ(third.find("b"), "2");
  EXPECT_EQ(third.find("both"), "2"); // the later
  EXPECT_EQ(folder.names().size(), 1u);
}

TEST(TuningCache, WithoutADirectoryNothingIsWritten) {
  TuningCache cache("", "m");
  cache.add("a", "1");
  EXPECT_EQ(cache.find("a"), "1");
  EXPECT_TRUE(cache.save().ok());
  EXPECT_EQ(cache.path(), "");
}

TEST(TuningCache, DamagedLinesAreIgnoredAndReplaced) {
  TempFolder folder;
  TuningCache cache(folder.path(), "m");
  for (const char *key : {"a", "b", "c"})
    cache.add(key, std::string(key) + "-value");
  ASSERT_TRUE(cache.save().ok());
  std::string good = TempFolder::read(cache.path());
  auto read = [&](const std::string &text) {
    std::ofstream(cache.path(), std::ios::binary) << text;
    return TuningCache(folder.path(), "m");
  };

  std::string bad = good;
  bad.replace(bad.find("b-value"), 1, "x");
  TuningCache flipped = read(bad);
  ASSERT_EQ(flipped.problems().size(), 1u);
  EXPECT_THAT(flipped.problems()[0], HasSubstr(":3: a damaged line, which is ignored"));
  EXPECT_EQ(flipped.find("a"), "a-value");
  EXPECT_EQ(flipped.find("b"), std::nullopt);
  EXPECT_EQ(flipped.find("c"), "c-value");
  flipped.add("b", "new");
  ASSERT_TRUE(flipped.save().ok());
  EXPECT_THAT(TuningCache(folder.path(), "m").problems(), IsEmpty());
  EXPECT_EQ(TuningCache(folder.path(), "m").find("b"), "new");

  // Cut anywhere, and what is whole is kept; a flipped bit anywhere changes no value.
  for (size_t size = 0; size < good.size(); ++size) {
    TuningCache cut = read(good.substr(0, size));
    for (const char *key : {"a", "b", "c"})
      EXPECT_THAT(cut.find(key).value_or(std::string(key) + "-value"), std::string(key) + "-value");
  }
  for (size_t at = 0; at < good.size(); ++at) {
    std::string text = good;
    text[at] = char(text[at] ^ 1);
    TuningCache changed = read(text);
    EXPECT_FALSE(changed.problems().empty()) << at;
    for (const char *key : {"a", "b", "c"})
      EXPECT_THAT(changed.find(key).value_or(std::string(key) + "-value"),
                  std::string(key) + "-value");
  }
  EXPECT_THAT(read("").problems().size(), 1u);
  EXPECT_THAT(read(std::string(1000, '\t')).problems().size(), 1u);
}

TEST(TuningCache, AFolderThatCannotBeMadeIsAnError) {
  TempFolder folder;
  TuningCache cache(folder.write("file", "x") + "/sub", "m");
  cache.add("a", "1");
  EXPECT_THAT(std::string(cache.save().message()),
              HasSubstr("expected a cache directory that can be made"));
}

} // namespace
