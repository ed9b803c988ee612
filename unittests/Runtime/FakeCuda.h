// What the fake driver (FakeCuda.cpp) saw, for tests that load it.
#ifndef STC_UNITTESTS_RUNTIME_FAKECUDA_H
#define STC_UNITTESTS_RUNTIME_FAKECUDA_H

#include <cstdint>
#include <string>
#include <vector>

namespace stc::test {

struct FakeCudaStats {
  struct Launch {
    std::string function;
    int64_t tokens, position, hiddenRow; // which row of the hidden states `hidden` points to
    unsigned blocks, blockThreads, sharedBytes;
  };
  std::vector<Launch> launches;
  std::vector<uint64_t> uploads; // bytes of every copy to a device
  // What is there now.
  uint64_t deviceBytes = 0, pinnedBytes = 0;
  uint64_t sharedBytes = 0; // of shared memory, what is this machine's
  int contexts = 0, modules = 0, streams = 0, events = 0;
};

/// The type of the library's one function that no driver has, `stcFakeCudaStats`.
using FakeCudaStatsFunction = FakeCudaStats *();

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_FAKECUDA_H
