// The cache of machine code: what it keeps, what it forgets, and what it does not believe.
#include "../../lib/Driver/CodeCache.h"
#include "../Support/TempFolder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <set>
#include <utime.h>

using namespace stc;
using testing::ElementsAre;
using testing::Optional;

namespace {

struct CodeCacheTest : testing::Test {
  /// The only file of the folder.
  std::string onlyFile() const {
    std::vector<std::string> names = folder.names();
    EXPECT_EQ(names.size(), 1u);
    return folder.path(names.at(0));
  }
  TempFolder folder;
  CodeCache cache{folder.path("code")};
};

TEST_F(CodeCacheTest, KeepsTextsByTheirKey) {
  EXPECT_EQ(cache.find("a"), std::nullopt);
  cache.add("a", {"one", "", std::string("\0two", 4)});
  cache.add("b", {});
  EXPECT_THAT(cache.find("a"), Optional(ElementsAre("one", "", std::string("\0two", 4))));
  EXPECT_THAT(cache.find("b"), Optional(ElementsAre()));
  EXPECT_EQ(cache.find("c"), std::nullopt);
  cache.add("a", {"other"});
  EXPECT_THAT(CodeCache(folder.path("code")).find("a"), Optional(ElementsAre("other")));
}

TEST_F(CodeCacheTest, DoesNotBelieveDamagedFiles) {
  CodeCache flat(folder.path());
  flat.add("a", {"some text", "and more"});
  std::string path = onlyFile(), good = TempFolder::read(path);
  auto write = [&](const std::string &bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  };
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1;
    write(bad);
    EXPECT_EQ(flat.find("a"), std::nullopt) << "byte " << i;
    write(good.substr(0, i));
    EXPECT_EQ(flat.find("a"), std::nullopt) << i << " bytes";
  }
  write(good);
  EXPECT_THAT(flat.find("a"), Optional(ElementsAre("some text", "and more")));
}

TEST_F(CodeCacheTest, ForgetsWhatWasNotUsedForLongest) {
  CodeCache small(folder.path(), 4000);
  const std::string text(1000, 'x');
  std::set<std::string> aged;
  for (int i = 0; i < 3; ++i) {
    small.add(std::to_string(i), {text});
    for (const std::string &name : folder.names())
      if (aged.insert(name).second) {
        utimbuf times{1000 + i, 1000 + i};
        ASSERT_EQ(utime(folder.path(name).c_str(), &times), 0);
      }
  }
  EXPECT_TRUE(small.find("0")); // used now
  small.add("3", {text});
  EXPECT_TRUE(small.find("0"));
  EXPECT_FALSE(small.find("1"));
  EXPECT_TRUE(small.find("3"));
}

TEST_F(CodeCacheTest, IsNoReasonToFail) {
  std::string file = folder.write("file", "");
  CodeCache under(file + "/code");
  under.add("a", {"text"});
  EXPECT_EQ(under.find("a"), std::nullopt);
}

} // namespace
