// Tests of reading files: mapped and copied, and what is refused.
#include "stc/Support/File.h"

#include "TempFolder.h"

#include "gmock/gmock.h"

#include <sys/stat.h>
#include <unistd.h>

namespace stc {
namespace {

using testing::HasSubstr;

std::string message(const absl::Status &status) { return std::string(status.message()); }

TEST(MappedFile, holdsTheBytes) {
  TempFolder folder;
  std::string path = folder.write("a", "some bytes");
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->path(), path);
  absl::Span<const uint8_t> bytes = (*file)->bytes();
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "some bytes");
}

TEST(MappedFile, emptyFileIsEmpty) {
  TempFolder folder;
  auto file = MappedFile::open(folder.write("a", ""));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->bytes().empty());
  (*file)->release(0, 100);
}

TEST(MappedFile, releasedPagesAreReadAgain) {
  TempFolder folder;
  std::string text(100000, 'x');
  auto file = MappedFile::open(folder.write("a", text));
  ASSERT_TRUE(file.ok());
  (*file)->release(5000, 60000);
  (*file)->release(99999, UINT64_MAX);
  (*file)->release(UINT64_MAX, 1);
  absl::Span<const uint8_t> bytes = (*file)->bytes();
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), text);
}

TEST(File, whatIsNoRegularFileIsRefused) {
  TempFolder folder;
  std::string pipe = folder.path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  ASSERT_EQ(symlink("nowhere", folder.path("dangling").c_str()), 0);
  ASSERT_EQ(symlink("loop", folder.path("loop").c_str()), 0);
  struct {
    std::string path, got;
  } cases[] = {
      {folder.path("missing"), "got No such file"},
      {folder.path(), "got a directory"},
      {pipe, "got a pipe, device or socket"},
      {"/dev/null", "got a pipe, device or socket"},
      {folder.path("dangling"), "got No such file"},
      {folder.path("loop"), "got Too many levels"},
      {"", "got No such file"},
  };
  for (const auto &test : cases) {
    auto mapped = MappedFile::open(test.path);
    ASSERT_FALSE(mapped.ok()) << test.path;
    EXPECT_THAT(message(mapped.status()), HasSubstr(test.got));
    auto copied = readFile(test.path);
    ASSERT_FALSE(copied.ok()) << test.path;
    EXPECT_EQ(message(copied.status()), message(mapped.status()));
  }
}

TEST(File, readFileCopiesAllOrNothing) {
  TempFolder folder;
  std::string text;
  for (int i = 0; i < 300000; ++i)
    text += char(i * 7);
  std::string path = folder.write("a", text);
  EXPECT_EQ(*readFile(path), text);
  EXPECT_EQ(*readFile(path, text.size()), text);
  auto limited = readFile(path, text.size() - 1);
  ASSERT_FALSE(limited.ok());
  EXPECT_THAT(message(limited.status()), HasSubstr("at most 299999 bytes"));
  EXPECT_EQ(*readFile(folder.write("empty", "")), "");
  // The files of /proc claim a size of 0.
  auto self = readFile("/proc/self/status");
  ASSERT_TRUE(self.ok());
  EXPECT_THAT(*self, HasSubstr("Name:"));
}

} // namespace
} // namespace stc
