// What memory this machine has left.
#include "FakeModel.h"

#include "stc/Runtime/Memory.h"

#include "gtest/gtest.h"

#include <filesystem>
#include <fstream>

namespace stc {
namespace {

class AvailableMemory : public testing::Test {
protected:
  void write(const std::string &path, const std::string &text) {
    std::string file = directory / path;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file) << text;
  }
  uint64_t available() { return availableMemoryBytes(directory / ""); }

  test::TemporaryDirectory directory;
};

TEST_F(AvailableMemory, WhatTheKernelSays) {
  EXPECT_EQ(available(), UINT64_MAX) << "nobody says anything";
  write("proc/meminfo", "MemTotal:       2000 kB\nMemAvailable:   1000 kB\n");
  EXPECT_EQ(available(), 1024000u);
  write("proc/meminfo", "MemTotal:       2000 kB\n");
  EXPECT_EQ(available(), UINT64_MAX);
}

TEST_F(AvailableMemory, ControlGroupsHaveLess) {
  write("proc/meminfo", "MemAvailable:   1000 kB\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/memory.current", "600000\n");
  EXPECT_EQ(available(), 1024000u) << "one without a limit";
  write("sys/fs/cgroup/memory.max", "1000000\n");
  EXPECT_EQ(available(), 400000u);
  write("sys/fs/cgroup/memory.stat", "anon 100000\nfile 500000\nkernel 3\n");
  EXPECT_EQ(available(), 900000u) << "files that were read can go";
  write("sys/fs/cgroup/memory.max", "50000\n");
  EXPECT_EQ(available(), 0u);
  write("sys/fs/cgroup/memory.max", "9000000\n");
  EXPECT_EQ(available(), 1024000u);
}

TEST_F(AvailableMemory, OfThisMachine) {
  EXPECT_GT(availableMemoryBytes(), 0u);
  EXPECT_LE(availableMemoryBytes(), totalMemoryBytes());
}

} // namespace
} // namespace stc
