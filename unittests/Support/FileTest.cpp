// Tests of reading files: mapped and copied, and what is refused.
#include "stc/Support/File.h"

#include "TempFolder.h"

#include "gmock/gmock.h"

#include <fcntl.h>
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

/// Maps a file, reads it, and returns how many kilobytes of it are mapped by large pages.
size_t largePageKilobytes(const std::string &path) {
  auto file = MappedFile::open(path).value();
  file->preferLargePages();
  volatile uint8_t sum = 0;
  for (size_t at = 0; at < file->bytes().size(); at += 4096)
    sum = uint8_t(sum + file->bytes()[at]);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  size_t kilobytes = 0, found = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(':')) // "begin-end rights ... path", not "Field: value"
      inside = line.find(std::filesystem::canonical(path)) != std::string::npos;
    if (inside && std::sscanf(line.c_str(), "FilePmdMapped: %zu", &found) == 1)
      kilobytes += found;
  }
  return kilobytes;
}

TEST(MappedFile, largePagesAreAHint) {
  TempFolder folder;
  EXPECT_EQ(largePageKilobytes(folder.write("empty", "")), 0u);
  largePageKilobytes(folder.write("small", "some bytes"));
}

TEST(MappedFile, whatAtomicFileWroteHasTheLargePagesOfThisFileSystem) {
  TempFolder folder;
  // What this file system can do: shown by a file written as it likes it, if at all.
  constexpr size_t piece = 2 << 20, pieces = 8;
  std::string ideal = folder.path("ideal"), bytes(piece, 'x');
  int descriptor = ::open(ideal.c_str(), O_WRONLY | O_CREAT, 0600);
  for (size_t i = 0; i < pieces; ++i)
    ASSERT_EQ(pwrite(descriptor, bytes.data(), piece, off_t(i * piece)), ssize_t(piece));
  ::close(descriptor);
  size_t possible = largePageKilobytes(ideal);
  if (possible < pieces * piece / 1024)
    GTEST_SKIP() << "large pages for only " << possible << " KiB of a file here";
  // A source that is mapped itself, in parts that fit nothing.
  auto source = MappedFile::open(ideal).value();
  auto file = AtomicFile::create(folder.path("ours")).value();
  ASSERT_TRUE(file->write(absl::string_view("header")).ok());
  for (absl::Span<const uint8_t> rest = source->bytes(); !rest.empty();) {
    absl::Span<const uint8_t> part = rest.subspan(0, 3000001);
    ASSERT_TRUE(file->write(part).ok());
    rest.remove_prefix(part.size());
  }
  ASSERT_TRUE(file->commit().ok());
  EXPECT_GE(largePageKilobytes(folder.path("ours")), (pieces - 1) * piece / 1024);
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
