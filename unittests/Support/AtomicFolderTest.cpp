// Tests of folders whose files appear together, or not at all.
#include "stc/Support/File.h"

#include "TempFolder.h"

#include "gmock/gmock.h"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace stc {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// A folder with the two files "a" and "b", written and not committed.
std::unique_ptr<AtomicFolder> twoFiles(const std::string &path) {
  auto folder = AtomicFolder::create(path);
  EXPECT_TRUE(folder.ok()) << folder.status();
  for (const char *name : {"a", "b"}) {
    auto file = AtomicFile::create((*folder)->pathOf(name));
    EXPECT_TRUE(file.ok() && (*file)->write(absl::string_view(name)).ok());
    (*folder)->add(std::move(*file));
  }
  return std::move(*folder);
}

TEST(AtomicFolder, itsFilesAppearOnCommit) {
  TempFolder outer;
  ASSERT_TRUE(twoFiles(outer.path("out"))->commit().ok());
  EXPECT_EQ(TempFolder::read(outer.path("out/a")), "a");
  EXPECT_EQ(TempFolder::read(outer.path("out/b")), "b");
  EXPECT_THAT(outer.names(), UnorderedElementsAre("out"));
}

TEST(AtomicFolder, leavesNothingWithoutCommit) {
  TempFolder outer;
  twoFiles(outer.path("out"));
  EXPECT_THAT(outer.names(), IsEmpty());
  // An empty folder that was there stays.
  std::filesystem::create_directory(outer.path("mine"));
  twoFiles(outer.path("mine"));
  EXPECT_THAT(outer.names(), UnorderedElementsAre("mine"));
  EXPECT_TRUE(std::filesystem::is_empty(outer.path("mine")));
}

TEST(AtomicFolder, aFailedCommitTakesTheOthersBack) {
  TempFolder outer;
  auto folder = twoFiles(outer.path("out"));
  std::filesystem::create_directory(folder->pathOf("b")); // no file can take this name
  EXPECT_FALSE(folder->commit().ok());
  std::filesystem::remove(folder->pathOf("b"));
  folder.reset();
  EXPECT_THAT(outer.names(), IsEmpty());
}

TEST(AtomicFolder, replacesAnEmptyFolderAndNothingElse) {
  TempFolder outer;
  std::filesystem::create_directory(outer.path("out"));
  std::filesystem::create_directory_symlink(outer.path("out"), outer.path("link"));
  ASSERT_TRUE(twoFiles(outer.path("link/"))->commit().ok());
  EXPECT_EQ(TempFolder::read(outer.path("out/b")), "b");
  // Something that came up between the check and the end.
  auto folder = twoFiles(outer.path("late"));
  std::filesystem::create_directories(outer.path("late/x"));
  EXPECT_FALSE(folder->commit().ok());
  folder.reset();
  EXPECT_THAT(outer.names(), UnorderedElementsAre("out", "link", "late"));
}

TEST(AtomicFolder, refusesWhatIsThere) {
  TempFolder outer;
  outer.write("file", "x");
  for (const std::string &path : {outer.path("file"), outer.path()})
    EXPECT_THAT(std::string(AtomicFolder::create(path).status().message()),
                HasSubstr("a new or an empty folder"));
  EXPECT_THAT(std::string(AtomicFolder::create(outer.path("no/such")).status().message()),
              HasSubstr("No such file"));
}

TEST(AtomicFolder, aSignalLeavesNothing) {
  TempFolder outer;
  pid_t child = fork();
  if (child == 0) {
    removeTemporariesOnSignal();
    auto folder = twoFiles(outer.path("out"));
    raise(SIGTERM);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(outer.names(), IsEmpty());
}

TEST(AtomicFolder, aSignalAtAnyTimeLeavesNothing) {
  TempFolder outer;
  for (int delay = 0; delay < 100; ++delay) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
      removeTemporariesOnSignal();
      for (bool first = true;; first = false) { // files appear and go all the time
        twoFiles(outer.path("out"));
        if (first && write(ready[1], "", 1) != 1)
          _exit(0);
      }
    }
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    usleep(useconds_t(delay));
    kill(child, SIGTERM);
    int status = 0;
    waitpid(child, &status, 0);
    close(ready[0]);
    close(ready[1]);
    EXPECT_TRUE(WIFSIGNALED(status));
    ASSERT_THAT(outer.names(), IsEmpty()) << "after " << delay << " us";
  }
}

} // namespace
} // namespace stc
