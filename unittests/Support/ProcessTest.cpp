// A tool's process: closed standard files, limits, memory that runs out. Each in a child.
#include "stc/Support/Process.h"

#include "AddressSanitizer.h"
#include "TempFolder.h"
#include "stc/Support/File.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace stc;

static void openWithoutStandardFiles() {
  for (int descriptor : {0, 1, 2})
    close(descriptor);
  prepareProcess();
  int file = open("/dev/zero", O_RDWR);
  char byte;
  bool isFine = file > 2 && read(0, &byte, 1) == 0 && write(1, "x", 1) < 0 && write(2, "x", 1) == 1;
  _exit(isFine ? 0 : 1);
}

TEST(Process, FilesTakeNoPlaceOfClosedStandardFiles) {
  EXPECT_EXIT(openWithoutStandardFiles(), testing::ExitedWithCode(0), "");
}

static void writeTooMuch(const TempFolder &folder) {
  prepareProcess();
  rlimit most{1000, 1000};
  setrlimit(RLIMIT_FSIZE, &most);
  auto file = AtomicFile::create(folder.path("large"));
  absl::Status status = (*file)->write(std::string(2000, 'x'));
  if (status.ok())
    status = (*file)->commit();
  endWithError(status.message());
}

TEST(Process, AFileTooLargeIsAnError) {
  TempFolder folder;
  EXPECT_EXIT(writeTooMuch(folder), testing::ExitedWithCode(1),
              "^error: .*large: expected a complete write, got File too large\n$");
  EXPECT_TRUE(folder.names().empty());
}

static void takeTooMuchMemory(const TempFolder &folder) {
  prepareProcess();
  auto file = AtomicFile::create(folder.path("unfinished"));
  std::string text(size_t(1) << 60, 'x');
  _exit(text[5]);
}

TEST(Process, MemoryThatRunsOutLeavesNothingBehind) {
  if (test::hasAddressSanitizer)
    GTEST_SKIP() << "AddressSanitizer ends the program first";
  TempFolder folder;
  EXPECT_EXIT(takeTooMuchMemory(folder), testing::ExitedWithCode(1),
              "^error: memory: expected enough of it, got none\n$");
  EXPECT_TRUE(folder.names().empty());
}

TEST(Process, KnowsItsProgram) {
  EXPECT_EQ(executablePath().substr(executablePath().rfind('/') + 1), "StcSupportTests");
}
