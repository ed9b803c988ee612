// The threads of a GPU's block as fibers of one thread, which take turns where they would wait.
#include "stc/Runtime/Simt.h"

#include "FiberSwitch.h"
#include "stc/Support/Error.h"
#include "stc/Support/Float.h"
#include "stc/Support/Random.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <vector>

namespace stc {

namespace {

/// Kernels keep little on their stacks: a block's buffers are in its shared memory.
constexpr size_t kStackBytes = 128 << 10;

/// In which order fibers run that may all run.
struct Order {
  enum Kind { Ascending, Descending, Shuffled } kind = Ascending;
  uint64_t seed = 0;
};

[[noreturn]] void endProcess(const std::string &message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::fflush(stderr);
  std::abort();
}

/// The order STC_SIMT_ORDER asks for.
Order readOrder() {
  const char *variable = std::getenv("STC_SIMT_ORDER");
  absl::string_view text = variable ? variable : "ascending";
  Order order;
  if (text == "descending")
    order.kind = Order::Descending;
  else if (absl::SimpleAtoi(text, &order.seed))
    order.kind = Order::Shuffled;
  else if (text != "ascending")
    endProcess(std::string(formatError({"", "STC_SIMT_ORDER", {}},
                                       "ascending, descending or a number", printable(text))
                               .message()));
  return order;
}

/// A copy under way, which belongs to a group by its number.
struct Copy {
  void *to;
  const void *from;
  size_t bytes;
  int64_t group;
};

/// One thread of the block.
struct Fiber {
  enum State { Runs, AtBarrier, AtWarp, Returned };
  std::vector<Copy> copies; // the oldest first
  int64_t group = 0;        // of copies that are started now
  FiberContext context;
  State state = Runs;
  int32_t place = 0; // where it waits
};

/// Most words that a lane gives the others at once.
constexpr int32_t kMostWords = 9;

/// The exchange of words between the lanes of a warp. Of two sets of words, one is read while the
/// other is written by those who are already at the next exchange.
struct Warp {
  int32_t arrived = 0, first = 0; // `first`: the thread that came first
  int parity = 0;
  std::vector<int32_t> words[2];
};

/// Who waits at a barrier; number 0 is that of all threads.
struct NamedBarrier {
  std::vector<int32_t> waiting;
  int32_t expected = 0;
};

constexpr int32_t kBarriers = 16;

/// One block while its kernel runs. What may run is a stack, so that a warp whose lanes have met
/// goes on as far as it can before others do: this spreads warps the most.
class Block {
public:
  Block(int32_t threads, int32_t warpThreads, const GuardedMemory &stacks, Order order,
        int64_t number, int64_t blocks, uint8_t *shared);

  void run(StcSimtKernel kernelToRun, const StcFrame *frameOfCall);
  void barrier(int32_t place) { barrier(0, threads, place); }
  void barrier(int32_t number, int32_t expected, int32_t place);
  void startCopy(const Copy &copy);
  void commitCopies() { ++fibers[size_t(running)].group; }
  void awaitCopies(int32_t groups);
  /// Gives `count` words to the lanes of the warp, and returns where the words of lane i lie, from
  /// i * kMostWords on, until this lane exchanges again.
  const int32_t *exchange(const int32_t *words, int32_t count, int32_t place);
  int32_t shuffleXor(int32_t value, int32_t mask, int32_t place);

  int32_t thread() const { return running; }
  int32_t lane() const { return running % warpThreads; }
  int32_t warpSize() const { return warpThreads; }
  const int64_t number, blocks;
  uint8_t *const shared;

private:
  static void fiberMain();
  /// Lets fibers run, whose numbers ascend.
  void release(const std::vector<int32_t> &group);
  void releaseRange(int32_t first, int32_t count);
  /// Lets others run until this fiber may; `ends`: it never will again.
  void runNext(FiberContext &from, bool ends = false);
  /// The running fiber waits; `first` came to this barrier or warp first and must wait at the same.
  void arrive(Fiber::State state, int32_t place, int32_t first);
  [[noreturn]] void fail(int32_t a, int32_t b) const;
  std::string describe(int32_t thread) const;

  const int32_t threads, warpThreads;
  const Order order;
  Random random;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<int32_t> ready;
  FiberContext caller;
  StcSimtKernel kernel = nullptr;
  const StcFrame *frame = nullptr;
  NamedBarrier barriers[kBarriers];
  int32_t running = 0, returned = 0;
};

/// The block whose fibers run on this thread; they never change threads.
thread_local Block *current = nullptr;

Block::Block(int32_t threads, int32_t warpThreads, const GuardedMemory &stacks, Order order,
             int64_t number, int64_t blocks, uint8_t *shared)
    : number(number), blocks(blocks), shared(shared), threads(threads), warpThreads(warpThreads),
      order(order), random(order.seed + uint64_t(number)), fibers(size_t(threads)),
      warps(size_t(threads / warpThreads)) {
  for (size_t i = 0; i < fibers.size(); ++i)
    prepareFiber(fibers[i].context, stacks.piece(i), stacks.bytes(), fiberMain);
  for (Warp &warp : warps)
    for (std::vector<int32_t> &words : warp.words)
      words.resize(size_t(warpThreads * kMostWords));
  ready.reserve(fibers.size());
}

void Block::run(StcSimtKernel kernelToRun, const StcFrame *frameOfCall) {
  kernel = kernelToRun;
  frame = frameOfCall;
  current = this;
  releaseRange(0, threads);
  runNext(caller);
  current = nullptr;
}

void Block::fiberMain() {
  beginFiber();
  Block &block = *current;
  block.kernel(block.frame);
  Fiber &self = block.fibers[size_t(block.running)];
  self.state = Fiber::Returned;
  if (!self.copies.empty())
    endProcess(absl::StrCat("simt: block ", block.number, ": expected no copies under way, got ",
                            self.copies.size(), " of thread ", block.running, " at its end"));
  if (++block.returned == block.threads)
    switchFiber(self.context, block.caller, /*ends=*/true);
  else
    block.runNext(self.context, /*ends=*/true);
  std::abort(); // nobody comes back
}

void Block::releaseRange(int32_t first, int32_t count) {
  std::vector<int32_t> group(static_cast<size_t>(count));
  std::iota(group.begin(), group.end(), first);
  release(group);
}

void Block::release(const std::vector<int32_t> &group) {
  for (int32_t thread : group)
    fibers[size_t(thread)].state = Fiber::Runs;
  // The last one pushed runs first.
  if (order.kind == Order::Ascending)
    ready.insert(ready.end(), group.rbegin(), group.rend());
  else
    ready.insert(ready.end(), group.begin(), group.end());
  if (order.kind == Order::Shuffled)
    for (size_t i = group.size() - 1, start = ready.size() - group.size(); i > 0; --i)
      std::swap(ready[start + i], ready[start + random.next() % (i + 1)]);
}

void Block::runNext(FiberContext &from, bool ends) {
  if (ready.empty()) {
    // Threads wait for others that wait elsewhere or have returned.
    int32_t other = 1;
    while (other < threads - 1 && fibers[size_t(other)].state == fibers[0].state &&
           fibers[size_t(other)].place == fibers[0].place)
      ++other;
    fail(0, other);
  }
  running = ready.back();
  ready.pop_back();
  FiberContext &to = fibers[size_t(running)].context;
  if (&to != &from)
    switchFiber(from, to, ends);
}

void Block::arrive(Fiber::State state, int32_t place, int32_t first) {
  Fiber &self = fibers[size_t(running)];
  self.state = state;
  self.place = place;
  if (fibers[size_t(first)].place != place)
    fail(first, running);
}

void Block::barrier(int32_t number, int32_t expected, int32_t place) {
  Fiber &self = fibers[size_t(running)];
  if (number < 0 || number >= kBarriers || expected <= 0 || expected > threads ||
      expected % warpThreads != 0)
    endProcess(absl::StrCat("simt: expected whole warps at a barrier from 0 to ", kBarriers - 1,
                            ", got ", expected, " threads at ", number, " at place ", place));
  NamedBarrier &barrier = barriers[number];
  if (barrier.waiting.empty())
    barrier.expected = expected;
  barrier.waiting.push_back(running);
  arrive(Fiber::AtBarrier, place, barrier.waiting.front());
  if (expected != barrier.expected)
    endProcess(absl::StrCat("simt: expected ", barrier.expected, " threads at barrier ", number,
                            ", got ", expected, " at place ", place));
  if (int32_t(barrier.waiting.size()) == expected) {
    std::vector<int32_t> group = std::move(barrier.waiting);
    barrier.waiting.clear();
    std::sort(group.begin(), group.end());
    release(group);
  }
  runNext(self.context);
}

void Block::startCopy(const Copy &copy) {
  Fiber &self = fibers[size_t(running)];
  if (order.kind == Order::Descending || (order.kind == Order::Shuffled && random.next() % 2))
    std::memcpy(copy.to, copy.from, copy.bytes);
  else
    self.copies.push_back({copy.to, copy.from, copy.bytes, self.group});
}

void Block::awaitCopies(int32_t groups) {
  Fiber &self = fibers[size_t(running)];
  auto isDone = [&](const Copy &copy) { return copy.group < self.group - groups; };
  auto end = std::find_if_not(self.copies.begin(), self.copies.end(), isDone);
  for (auto copy = self.copies.begin(); copy != end; ++copy)
    std::memcpy(copy->to, copy->from, copy->bytes);
  self.copies.erase(self.copies.begin(), end);
}

const int32_t *Block::exchange(const int32_t *words, int32_t count, int32_t place) {
  Fiber &self = fibers[size_t(running)];
  int32_t start = running - lane();
  Warp &warp = warps[size_t(running / warpThreads)];
  if (warp.arrived == 0)
    warp.first = running;
  arrive(Fiber::AtWarp, place, warp.first);
  int32_t *all = warp.words[warp.parity].data();
  std::copy_n(words, count, all + lane() * kMostWords);
  if (++warp.arrived == warpThreads) {
    warp.arrived = 0;
    warp.parity ^= 1;
    releaseRange(start, warpThreads);
  }
  runNext(self.context);
  return all;
}

int32_t Block::shuffleXor(int32_t value, int32_t mask, int32_t place) {
  int32_t words[] = {value, mask};
  const int32_t *all = exchange(words, 2, place);
  int32_t other = lane() ^ mask;
  if (mask < 0 || mask >= warpThreads || all[other * kMostWords + 1] != mask)
    endProcess(absl::StrCat("simt: block ", number, ": expected one mask below ", warpThreads,
                            " for all lanes, got ", mask, " and others at place ", place));
  return all[other * kMostWords];
}

std::string Block::describe(int32_t thread) const {
  const Fiber &fiber = fibers[size_t(thread)];
  switch (fiber.state) {
  case Fiber::Runs:
    return absl::StrCat("thread ", thread, " runs");
  case Fiber::AtBarrier:
    return absl::StrCat("thread ", thread, " waits for its block at place ", fiber.place);
  case Fiber::AtWarp:
    return absl::StrCat("thread ", thread, " waits for its warp at place ", fiber.place);
  case Fiber::Returned:
    return absl::StrCat("thread ", thread, " has returned");
  }
  std::abort(); // every state is listed
}

void Block::fail(int32_t a, int32_t b) const {
  endProcess(absl::StrCat("simt: block ", number,
                          ": expected all threads to wait at the same place, got ", describe(a),
                          ", ", describe(b)));
}

/// One lane's part of the multiplication of two matrices in the registers of a warp. A register
/// holds sizeof(int32_t) / sizeof(Stored) neighbouring numbers of a row of `a` or a column of `b`;
/// `toA` and `toB` make one number of what is stored.
template <typename Stored, typename Sum, typename ToA, typename ToB>
void multiplyFragments(Block &block, Sum sums[4], const int32_t a[4], const int32_t b[2],
                       int32_t place, ToA toA, ToB toB) {
  constexpr int32_t perWord = sizeof(int32_t) / sizeof(Stored), quads = 4;
  if (block.warpSize() != 32)
    endProcess("simt: expected warps of 32 threads for tensor cores");
  int32_t words[] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const int32_t *all = block.exchange(words, int32_t(std::size(words)), place);
  int32_t pair = block.lane() / quads, quad = block.lane() % quads;
  // Lane 4 p + t has rows p and p + 8 of `a` and column p of `b`, at places t and t + 4.
  auto number = [&](int32_t of, int32_t word, int32_t i) {
    Stored stored[perWord];
    std::memcpy(stored, &all[of * kMostWords + word], sizeof(stored));
    return stored[i];
  };
  for (int32_t result = 0; result < 4; ++result) {
    int32_t lower = result / 2, column = 2 * quad + result % 2;
    for (int32_t half = 0; half < 2; ++half)
      for (int32_t t = 0; t < quads; ++t)
        for (int32_t i = 0; i < perWord; ++i)
          sums[result] += toA(number(quads * pair + t, 2 * half + lower, i)) *
                          toB(number(quads * column + t, 4 + half, i));
  }
}

/// One lane's part of the multiplication of a 2:4 matrix of bytes. Of `a`, lane 4 p + t has rows p
/// and p + 8 of chunks 2 t, 2 t + 1, 2 t + 8 and 2 t + 9 of four columns, two numbers each; of `b`,
/// column p of chunks t, t + 4, t + 8 and t + 12. Nibble k of `places` is of chunk k for lanes 0
/// and 1 of four, one for each row, and of chunk k + 8 for lanes 2 and 3.
void multiplySparse(Block &block, uint32_t sums[4], const int32_t a[4], const int32_t b[4],
                    int32_t places, int32_t place) {
  if (block.warpSize() != 32)
    endProcess("simt: expected warps of 32 threads for tensor cores");
  int32_t words[] = {a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], places};
  const int32_t *all = block.exchange(words, int32_t(std::size(words)), place);
  auto byteOf = [&](int32_t lane, int32_t word, int32_t i) {
    return uint32_t(int8_t(uint32_t(all[lane * kMostWords + word]) >> (8 * i)));
  };
  int32_t group = block.lane() / 4 * 4, quad = block.lane() % 4;
  for (int32_t result = 0; result < 4; ++result) {
    int32_t lower = result / 2, column = 2 * quad + result % 2;
    for (int32_t chunk = 0; chunk < 16; ++chunk) {
      int32_t half = chunk / 8, inHalf = chunk % 8;
      uint32_t nibble = uint32_t(all[(group + 2 * half + lower) * kMostWords + 8]) >> (4 * inHalf);
      int32_t first = int32_t(nibble & 3), second = int32_t(nibble >> 2 & 3);
      if (first >= second)
        endProcess(absl::StrCat("simt: expected places of a 2:4 matrix that ascend, got ", first,
                                " and ", second));
      for (int32_t i : {0, 1})
        sums[result] += byteOf(group + inHalf / 2, 2 * half + lower, inHalf % 2 * 2 + i) *
                        byteOf(4 * column + chunk % 4, 4 + chunk / 4, i == 0 ? first : second);
    }
  }
}

/// The same of 16-bit floats: of `a`, lane 4 p + t has chunks t and t + 4 of both rows; of `b`,
/// rows 2 t and 2 t + 1 of every eight. `places` are those of two lanes of four, of the first four
/// chunks and the others: of the first row in the lower half, of the second in the upper one.
template <typename ToFloat>
void multiplySparseHalves(Block &block, float sums[4], const int32_t a[4], const int32_t b[4],
                          int32_t places, int32_t pair, int32_t place, ToFloat toFloat) {
  if (block.warpSize() != 32 || pair < 0 || pair > 1)
    endProcess("simt: expected warps of 32 threads and a pair of four for tensor cores");
  int32_t words[] = {a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], places};
  const int32_t *all = block.exchange(words, int32_t(std::size(words)), place);
  auto number = [&](int32_t lane, int32_t word, int32_t i) {
    return toFloat(uint16_t(uint32_t(all[lane * kMostWords + word]) >> (16 * i)));
  };
  int32_t group = block.lane() / 4 * 4, quad = block.lane() % 4;
  for (int32_t result = 0; result < 4; ++result) {
    int32_t lower = result / 2, column = 2 * quad + result % 2;
    for (int32_t chunk = 0; chunk < 8; ++chunk) {
      int32_t half = chunk / 4, inHalf = chunk % 4;
      uint32_t nibble =
          uint32_t(all[(group + 2 * pair + half) * kMostWords + 8]) >> (16 * lower + 4 * inHalf);
      int32_t both[] = {int32_t(nibble & 3), int32_t(nibble >> 2 & 3)};
      if (both[0] >= both[1])
        endProcess(absl::StrCat("simt: expected places of a 2:4 matrix that ascend, got ", both[0],
                                " and ", both[1]));
      for (int32_t i : {0, 1}) {
        int32_t row = 4 * chunk + both[i];
        sums[result] += number(group + inHalf, 2 * half + lower, i) *
                        number(4 * column + row % 8 / 2, 4 + row / 8, row % 2);
      }
    }
  }
}

/// One lane's part of the loading of matrices, whose rows the lanes read before they meet.
void loadMatrices(Block &block, int32_t words[4], const void *row, int32_t count, bool isTransposed,
                  int32_t place) {
  constexpr int32_t rows = 8, quads = 4;
  if (block.warpSize() != 32 || (count != 2 && count != 4))
    endProcess("simt: expected warps of 32 threads that load 2 or 4 matrices");
  int32_t own[kMostWords] = {};
  if (block.lane() < rows * count)
    std::memcpy(own, row, quads * sizeof(int32_t));
  const int32_t *all = block.exchange(own, quads, place);
  int32_t pair = block.lane() / quads, quad = block.lane() % quads;
  auto half = [&](int32_t matrix, int32_t row, int32_t column) {
    auto word = uint32_t(all[(rows * matrix + row) * kMostWords + column / 2]);
    return word >> (16 * (column % 2)) & 0xffff;
  };
  for (int32_t i = 0; i < count; ++i) {
    uint32_t low = isTransposed ? half(i, 2 * quad, pair) : half(i, pair, 2 * quad);
    uint32_t high = isTransposed ? half(i, 2 * quad + 1, pair) : half(i, pair, 2 * quad + 1);
    words[i] = int32_t(high << 16 | low);
  }
}

float floatOfBF16(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

uint32_t roundToBF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value)
    return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// What one thread of the pool needs to run blocks, kept for the next call.
struct Resources {
  Resources(size_t threads, size_t sharedBytes)
      : stacks(threads, kStackBytes), shared(1, sharedBytes) {}
  GuardedMemory stacks, shared;
};

/// Resources that nobody uses. Never destroyed: threads may outlive static variables.
struct IdleResources {
  std::mutex mutex;
  std::vector<std::unique_ptr<Resources>> items;

  static IdleResources &get() {
    static auto *idle = new IdleResources;
    return *idle;
  }
  std::unique_ptr<Resources> take(size_t threads, size_t sharedBytes) {
    std::lock_guard<std::mutex> lock(mutex);
    while (!items.empty()) {
      std::unique_ptr<Resources> item = std::move(items.back());
      items.pop_back();
      if (item->stacks.count() == threads && item->shared.bytes() >= sharedBytes)
        return item;
    }
    return std::make_unique<Resources>(threads, sharedBytes);
  }
  void put(std::unique_ptr<Resources> item) {
    std::lock_guard<std::mutex> lock(mutex);
    items.push_back(std::move(item));
  }
};

} // namespace
} // namespace stc

using namespace stc;

extern "C" {

void stc_simt_run_block(StcSimtKernel kernel, const StcFrame *frame, int64_t block, int64_t blocks,
                        int32_t threads, int32_t warp_threads, int64_t shared_bytes) {
  if (!hasFibers)
    endProcess("simt: expected an x86-64 or AArch64 processor, got another one");
  // The end of the shared memory lies before a page that faults.
  size_t bytes = (size_t(shared_bytes) + 127) / 128 * 128;
  auto resources = IdleResources::get().take(size_t(threads), bytes);
  uint8_t *shared = resources->shared.piece(0) + resources->shared.bytes() - bytes;
  std::memset(shared, 0xff, bytes);
  Block(threads, warp_threads, resources->stacks, readOrder(), block, blocks, shared)
      .run(kernel, frame);
  IdleResources::get().put(std::move(resources));
}

int32_t stc_simt_thread(void) { return current->thread(); }
int64_t stc_simt_block(void) { return current->number; }
int64_t stc_simt_blocks(void) { return current->blocks; }
uint8_t *stc_simt_shared(void) { return current->shared; }
void stc_simt_barrier(int32_t place) { current->barrier(place); }
void stc_simt_named_barrier(int32_t number, int32_t threads, int32_t place) {
  current->barrier(number, threads, place);
}
void stc_simt_copy_async(void *to, const void *from, int32_t bytes) {
  current->startCopy({to, from, size_t(bytes), 0});
}
void stc_simt_copy_commit(void) { current->commitCopies(); }
void stc_simt_copy_wait(int32_t groups) { current->awaitCopies(groups); }
void stc_simt_warp_barrier(int32_t place) { current->shuffleXor(0, 0, place); }
int32_t stc_simt_shuffle_xor(int32_t value, int32_t mask, int32_t place) {
  return current->shuffleXor(value, mask, place);
}

void stc_simt_mma_int8(int32_t sums[4], const int32_t a[4], const int32_t b[2], int32_t a_signed,
                       int32_t b_signed, int32_t place) {
  // Unsigned, as sums wrap around.
  auto byteOf = [](int32_t isSigned) {
    return [isSigned](uint8_t byte) { return isSigned ? uint32_t(int8_t(byte)) : uint32_t(byte); };
  };
  uint32_t wrapped[4];
  std::memcpy(wrapped, sums, sizeof(wrapped));
  multiplyFragments<uint8_t>(*current, wrapped, a, b, place, byteOf(a_signed), byteOf(b_signed));
  std::memcpy(sums, wrapped, sizeof(wrapped));
}

void stc_simt_mma_sparse_int8(int32_t sums[4], const int32_t a[4], const int32_t b[4],
                              int32_t places, int32_t place) {
  uint32_t wrapped[4];
  std::memcpy(wrapped, sums, sizeof(wrapped));
  multiplySparse(*current, wrapped, a, b, places, place);
  std::memcpy(sums, wrapped, sizeof(wrapped));
}

void stc_simt_mma_sparse_bf16(float sums[4], const int32_t a[4], const int32_t b[4], int32_t places,
                              int32_t pair, int32_t place) {
  multiplySparseHalves(*current, sums, a, b, places, pair, place, floatOfBF16);
}

void stc_simt_mma_sparse_f16(float sums[4], const int32_t a[4], const int32_t b[4], int32_t places,
                             int32_t pair, int32_t place) {
  multiplySparseHalves(*current, sums, a, b, places, pair, place, halfToFloat);
}

void stc_simt_mma_bf16(float sums[4], const int32_t a[4], const int32_t b[2], int32_t place) {
  multiplyFragments<uint16_t>(*current, sums, a, b, place, floatOfBF16, floatOfBF16);
}

void stc_simt_mma_f16(float sums[4], const int32_t a[4], const int32_t b[2], int32_t place) {
  multiplyFragments<uint16_t>(*current, sums, a, b, place, halfToFloat, halfToFloat);
}

void stc_simt_load_matrices(int32_t words[4], const void *row, int32_t count, int32_t is_transposed,
                            int32_t place) {
  loadMatrices(*current, words, row, count, is_transposed != 0, place);
}

int32_t stc_simt_pair_bf16(float high, float low) {
  return int32_t(roundToBF16(high) << 16 | roundToBF16(low));
}

} // extern "C"
