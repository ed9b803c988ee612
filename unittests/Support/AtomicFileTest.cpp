// Tests of atomic output: complete under its name, or nothing at all.
#include "stc/Support/File.h"

#include "TempFolder.h"

#include "gmock/gmock.h"

#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::Span<const uint8_t> asBytes(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

mode_t modeOf(const std::string &path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

TEST(AtomicFile, appearsOnCommitAndNotBefore) {
  TempFolder folder;
  auto file = AtomicFile::create(folder.path("out"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write(absl::string_view("hello ")).ok());
  ASSERT_TRUE((*file)->write(asBytes("world")).ok());
  EXPECT_EQ((*file)->size(), 11u);
  EXPECT_FALSE(std::filesystem::exists(folder.path("out")));
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(TempFolder::read(folder.path("out")), "hello world");
  EXPECT_THAT(folder.names(), ElementsAre("out"));
  EXPECT_FALSE((*file)->commit().ok());
}

TEST(AtomicFile, leavesNothingWithoutCommit) {
  TempFolder folder;
  {
    auto file = AtomicFile::create(folder.path("out"));
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write(std::string(3 << 20, 'x')).ok());
    EXPECT_EQ(folder.names().size(), 1u);
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(AtomicFile, keepsTheOldFileUntilCommit) {
  TempFolder folder;
  std::string path = folder.write("out", "old");
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE((*file)->write(absl::string_view("half")).ok());
  }
  EXPECT_EQ(TempFolder::read(path), "old");
  auto file = AtomicFile::create(path);
  ASSERT_TRUE((*file)->write(absl::string_view("new")).ok());
  EXPECT_EQ(TempFolder::read(path), "old");
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(TempFolder::read(path), "new");
}

TEST(AtomicFile, writesOfAllSizesPadsAndOverwrites) {
  TempFolder folder;
  auto file = AtomicFile::create(folder.path("out"));
  std::string expected;
  for (size_t size : {size_t(1), size_t(7), size_t(1) << 20, (size_t(1) << 20) + 1, size_t(0),
                      size_t(3), size_t(5) << 20, size_t(9)}) {
    std::string part(size, char('a' + size % 26));
    ASSERT_TRUE((*file)->write(part).ok());
    expected += part;
  }
  ASSERT_TRUE((*file)->padTo(4096).ok());
  ASSERT_TRUE((*file)->padTo(4096).ok()); // already a multiple
  ASSERT_TRUE((*file)->padTo(0).ok());
  expected.resize((expected.size() + 4095) / 4096 * 4096);
  EXPECT_EQ((*file)->size(), expected.size());
  ASSERT_TRUE((*file)->padTo(5 << 20).ok());
  expected.resize((expected.size() + (5 << 20) - 1) / (5 << 20) * (5 << 20));
  ASSERT_TRUE((*file)->writeAt(2, asBytes("HEADER")).ok());
  expected.replace(2, 6, "HEADER");
  ASSERT_TRUE((*file)->write(absl::string_view("tail")).ok());
  expected += "tail";
  ASSERT_TRUE((*file)->writeAt(expected.size() - 2, asBytes("IL")).ok());
  expected.replace(expected.size() - 2, 2, "IL");
  EXPECT_FALSE((*file)->writeAt(expected.size() - 1, asBytes("IL")).ok());
  EXPECT_FALSE((*file)->writeAt(UINT64_MAX, asBytes("IL")).ok());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_TRUE(TempFolder::read(folder.path("out")) == expected);
}

TEST(AtomicFile, permissionsFollowTheUmask) {
  TempFolder folder;
  mode_t before = umask(027);
  auto plain = AtomicFile::create(folder.path("plain"));
  auto executable = AtomicFile::create(folder.path("executable"));
  umask(before);
  ASSERT_TRUE((*plain)->commit().ok());
  ASSERT_TRUE((*executable)->commit(/*executable=*/true).ok());
  EXPECT_EQ(modeOf(folder.path("plain")), mode_t(0640));
  EXPECT_EQ(modeOf(folder.path("executable")), mode_t(0750));
}

TEST(AtomicFile, whatCannotBeReplacedIsRefusedEarly) {
  TempFolder folder;
  ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
  std::string file = folder.write("file", "x");
  struct {
    std::string path, got;
  } cases[] = {
      {"", "got an empty one"},
      {folder.path(), "got a directory name"},
      {folder.path("."), "got a directory"},
      {folder.path("pipe"), "got a pipe, device or socket"},
      {"/dev/null", "got a pipe, device or socket"},
      {folder.path("missing/out"), "got No such file"},
      {file + "/out", "got Not a directory"},
      {folder.path(std::string(300, 'n')), "got File name too long"},
      {"/proc/stc-out", "got "},
  };
  for (const auto &test : cases) {
    absl::Status status = checkWritable(test.path);
    ASSERT_FALSE(status.ok()) << test.path;
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.got));
    EXPECT_FALSE(AtomicFile::create(test.path).ok());
  }
  EXPECT_TRUE(checkWritable(file).ok());
  EXPECT_TRUE(checkWritable(folder.path("new")).ok());
  EXPECT_TRUE(checkWritable(folder.path(std::string(255, 'n'))).ok());
  EXPECT_EQ(TempFolder::read(file), "x");
  EXPECT_EQ(folder.names().size(), 2u);
}

TEST(AtomicFile, readOnlyFolderIsRefused) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may write anywhere";
  TempFolder folder;
  std::filesystem::create_directory(folder.path("locked"));
  chmod(folder.path("locked").c_str(), 0555);
  EXPECT_THAT(std::string(checkWritable(folder.path("locked/out")).message()),
              HasSubstr("Permission denied"));
}

TEST(AtomicFile, linksAreFollowed) {
  TempFolder folder;
  std::string target = folder.write("target", "old");
  ASSERT_EQ(symlink("target", folder.path("link").c_str()), 0);
  auto file = AtomicFile::create(folder.path("link"));
  ASSERT_TRUE((*file)->write(absl::string_view("new")).ok());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(TempFolder::read(target), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
}

TEST(AtomicFile, anotherToolMayWriteTheTemporaryFile) {
  TempFolder folder;
  auto file = AtomicFile::create(folder.path("out"));
  // Some linkers remove their output first and create it anew.
  std::string temporary = (*file)->temporaryPath();
  unlink(temporary.c_str());
  std::ofstream(temporary) << "linked";
  ASSERT_TRUE((*file)->commit(/*executable=*/true).ok());
  EXPECT_EQ(TempFolder::read(folder.path("out")), "linked");
  EXPECT_EQ(modeOf(folder.path("out")) & 0100, mode_t(0100));
  EXPECT_THAT(folder.names(), ElementsAre("out"));

  auto gone = AtomicFile::create(folder.path("gone"));
  unlink((*gone)->temporaryPath().c_str());
  EXPECT_FALSE((*gone)->commit().ok());
}

TEST(AtomicFile, aFailedWriteIsAnErrorAndLeavesNothing) {
  TempFolder folder;
  pid_t child = fork();
  if (child == 0) {
    // The kernel refuses to grow files past this size, as a full disk would.
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    int result = 1;
    {
      auto file = AtomicFile::create(folder.path("out"));
      absl::Status status = (*file)->write(std::string(4 << 20, 'x'));
      if (status.ok())
        status = (*file)->commit();
      result = status.ok() ? 2 : 0;
    }
    _exit(result);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(AtomicFile, aSignalRemovesTheTemporaryFile) {
  for (int signal : {SIGINT, SIGTERM}) {
    TempFolder folder;
    pid_t child = fork();
    if (child == 0) {
      ::signal(signal, SIG_DFL); // a job in the background is begun with SIGINT ignored
      removeTemporariesOnSignal();
      auto open = AtomicFile::create(folder.path("open"));
      auto done = AtomicFile::create(folder.path("done"));
      if (!open.ok() || !done.ok() || !(*done)->commit().ok())
        _exit(1);
      kill(getpid(), signal);
      _exit(2);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
    EXPECT_THAT(folder.names(), ElementsAre("done"));
  }
}

} // namespace
} // namespace stc
