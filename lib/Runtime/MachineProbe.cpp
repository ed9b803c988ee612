// Measured limits of this machine, with the widest loads and dot products it has.
#include "stc/Runtime/MachineProbe.h"

#include "stc/Runtime/CpuFeatures.h"
#include "stc/Support/Error.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stc {

namespace {

using Clock = std::chrono::steady_clock;

/// Results go here so that the compiler cannot leave the work out.
std::atomic<uint64_t> sink{0};

uint64_t readPortable(const uint8_t *data, uint64_t bytes) {
  constexpr int lanes = 16;
  uint64_t sums[lanes] = {};
  for (uint64_t at = 0; at + sizeof(sums) <= bytes; at += sizeof(sums)) {
    uint64_t words[lanes];
    std::memcpy(words, data + at, sizeof(words));
    for (int i = 0; i < lanes; ++i)
      sums[i] ^= words[i];
  }
  uint64_t sum = 0;
  for (uint64_t lane : sums)
    sum ^= lane;
  return sum;
}

/// One round of products: `rounds` times 16 independent accumulators.
uint64_t multiplyPortable(uint64_t rounds) {
  constexpr int lanes = 64;
  int32_t sums[lanes] = {};
  int8_t a[lanes], b[lanes];
  for (int i = 0; i < lanes; ++i) {
    a[i] = int8_t(i);
    b[i] = int8_t(3 * i + 1);
  }
  for (uint64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < lanes; ++i)
      sums[i] += int32_t(a[i]) * b[i];
    asm volatile("" : : "r"(a), "r"(b) : "memory"); // the operands may have changed
  }
  uint64_t sum = 0;
  for (int32_t lane : sums)
    sum += uint64_t(lane);
  return sum;
}
constexpr uint64_t portableOps = 2 * 64;

#if defined(__x86_64__)

// Far enough ahead to cover memory latency where the hardware prefetcher stops at a page's end.
constexpr uint64_t prefetchBytes = 8192;

__attribute__((target("avx512f"))) uint64_t readAvx512(const uint8_t *data, uint64_t bytes) {
  __m512i sums[8];
  for (__m512i &sum : sums)
    sum = _mm512_setzero_si512();
  for (uint64_t at = 0; at + sizeof(sums) <= bytes; at += sizeof(sums)) {
    for (int i = 0; i < 8; ++i) {
      _mm_prefetch(reinterpret_cast<const char *>(data + at + prefetchBytes + 64 * i), _MM_HINT_T0);
      sums[i] = _mm512_xor_si512(sums[i], _mm512_loadu_si512(data + at + 64 * i));
    }
  }
  for (int i = 1; i < 8; ++i)
    sums[0] = _mm512_xor_si512(sums[0], sums[i]);
  return uint64_t(_mm512_reduce_add_epi64(sums[0]));
}

__attribute__((target("avx2"))) uint64_t readAvx2(const uint8_t *data, uint64_t bytes) {
  __m256i sums[8];
  for (__m256i &sum : sums)
    sum = _mm256_setzero_si256();
  for (uint64_t at = 0; at + sizeof(sums) <= bytes; at += sizeof(sums)) {
    for (int i = 0; i < 8; ++i) {
      if (i % 2 == 0)
        _mm_prefetch(reinterpret_cast<const char *>(data + at + prefetchBytes + 32 * i),
                     _MM_HINT_T0);
      sums[i] = _mm256_xor_si256(
          sums[i], _mm256_loadu_si256(reinterpret_cast<const __m256i *>(data + at + 32 * i)));
    }
  }
  for (int i = 1; i < 8; ++i)
    sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  return uint64_t(_mm256_extract_epi64(sums[0], 0));
}

// Sixteen accumulators: two dot products a cycle, each with a latency of up to five, need ten.
constexpr int chains = 16;

__attribute__((target("avx512f,avx512vnni"))) uint64_t multiplyVnni512(uint64_t rounds) {
  __m512i sums[chains], a = _mm512_set1_epi32(0x01020304), b = _mm512_set1_epi32(0x05060708);
  for (__m512i &sum : sums)
    sum = _mm512_setzero_si512();
  for (uint64_t round = 0; round < rounds; ++round)
    for (int i = 0; i < chains; ++i)
      sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
  for (int i = 1; i < chains; ++i)
    sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  return uint64_t(_mm512_reduce_add_epi32(sums[0]));
}

__attribute__((target("avx2,avxvnni"))) uint64_t multiplyVnni256(uint64_t rounds) {
  constexpr int narrowChains = 12; // there are only 16 registers
  __m256i sums[narrowChains], a = _mm256_set1_epi32(0x01020304), b = _mm256_set1_epi32(0x05060708);
  for (__m256i &sum : sums)
    sum = _mm256_setzero_si256();
  for (uint64_t round = 0; round < rounds; ++round)
    for (int i = 0; i < narrowChains; ++i)
      sums[i] = _mm256_dpbusd_avx_epi32(sums[i], a, b);
  for (int i = 1; i < narrowChains; ++i)
    sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  return uint64_t(_mm256_extract_epi64(sums[0], 0));
}

/// Without a dot product instruction: pairs to 16 bits, pairs of those to 32 bits, then the sum.
__attribute__((target("avx2"))) uint64_t multiplyAvx2(uint64_t rounds) {
  constexpr int narrowChains = 8;
  __m256i sums[narrowChains], a = _mm256_set1_epi32(0x01020304), ones = _mm256_set1_epi16(1), b[8];
  for (int i = 0; i < narrowChains; ++i) {
    sums[i] = _mm256_setzero_si256();
    b[i] = _mm256_set1_epi8(char(i + 1));
  }
  for (uint64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < narrowChains; ++i) {
      asm volatile("" : "+x"(b[i])); // or the product would be computed once, before the loop
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b[i]), ones));
    }
  }
  for (int i = 1; i < narrowChains; ++i)
    sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  return uint64_t(_mm256_extract_epi64(sums[0], 0));
}

#endif

using Reader = uint64_t (*)(const uint8_t *, uint64_t);
using Multiplier = uint64_t (*)(uint64_t);

Reader bestReader() {
#if defined(__x86_64__)
  if (hasCpuFeature("avx512f"))
    return readAvx512;
  if (hasCpuFeature("avx2"))
    return readAvx2;
#endif
  return readPortable;
}

/// The function and the operations of one of its rounds.
std::pair<Multiplier, uint64_t> bestMultiplier() {
#if defined(__x86_64__)
  if (hasCpuFeature("avx512vnni"))
    return {multiplyVnni512, uint64_t(chains) * 2 * 64};
  if (hasCpuFeature("avxvnni"))
    return {multiplyVnni256, 12 * 2 * 32};
  if (hasCpuFeature("avx2"))
    return {multiplyAvx2, 8 * 2 * 32};
#endif
  return {multiplyPortable, portableOps};
}

/// The part of `bytes` that belongs to a thread, in whole pages.
std::pair<uint64_t, uint64_t> slice(uint64_t bytes, int64_t thread, int64_t threads) {
  constexpr uint64_t page = 4096;
  uint64_t pages = bytes / page, begin = pages * uint64_t(thread) / uint64_t(threads) * page;
  return {begin, pages * uint64_t(thread + 1) / uint64_t(threads) * page - begin};
}

} // namespace

absl::StatusOr<BandwidthProbe> BandwidthProbe::create(ThreadPool &pool, uint64_t bytes) {
  BandwidthProbe probe;
  bytes = std::min(bytes, totalMemoryBytes() / 4);
  STC_ASSIGN_OR_RETURN(probe.buffer, Memory::allocate(bytes, "the bandwidth measurement"));
  // Written, and not with zeros: untouched or merged pages would be read from a cache.
  pool.run([&](int64_t thread, int64_t threads) {
    auto [begin, length] = slice(probe.buffer.size(), thread, threads);
    uint8_t *data = probe.buffer.data() + begin;
    uint64_t word = uint64_t(thread) + 1;
    for (uint64_t at = 0; at < length; at += sizeof(word)) {
      word = word * 6364136223846793005u + 1442695040888963407u;
      std::memcpy(data + at, &word, sizeof(word));
    }
  });
  return probe;
}

double BandwidthProbe::measure(ThreadPool &pool) {
  Reader reader = bestReader();
  Clock::time_point start = Clock::now();
  pool.run([&](int64_t thread, int64_t threads) {
    auto [begin, length] = slice(buffer.size(), thread, threads);
    sink.fetch_xor(reader(buffer.data() + begin, length), std::memory_order_relaxed);
  });
  std::chrono::duration<double> seconds = Clock::now() - start;
  return double(buffer.size()) / seconds.count();
}

double measureInt8Peak(ThreadPool &pool) {
  auto [multiplier, opsPerRound] = bestMultiplier();
  // A few milliseconds: long against starting the threads, short against changes of frequency. The
  // best of three, for what is sought is a limit: threads that wake up may at first share a
  // processor.
  constexpr double aim = 0.004;
  constexpr int tries = 3;
  constexpr uint64_t probeRounds = 10'000;
  Clock::time_point start = Clock::now();
  sink.fetch_xor(multiplier(probeRounds), std::memory_order_relaxed);
  std::chrono::duration<double> probe = Clock::now() - start;
  uint64_t rounds = std::max(probeRounds, uint64_t(aim / (probe.count() + 1e-9) * probeRounds));

  Multiplier function = multiplier; // a structured binding cannot be captured
  double best = 0;
  for (int i = 0; i < tries; ++i) {
    start = Clock::now();
    pool.run(
        [&](int64_t, int64_t) { sink.fetch_xor(function(rounds), std::memory_order_relaxed); });
    std::chrono::duration<double> seconds = Clock::now() - start;
    best = std::max(best, double(rounds) * double(opsPerRound) * double(pool.threads()) /
                              seconds.count());
  }
  return best;
}

} // namespace stc
