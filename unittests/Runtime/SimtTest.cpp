// The threads of a simulated block meet at barriers and shuffles in every order, and those that
// never meet are told so.
#include "stc/Runtime/Simt.h"

#include "stc/Runtime/ThreadPool.h"
#include "stc/Support/Float.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace stc {
namespace {

constexpr int32_t kThreads = 128, kWarp = 32;
constexpr const char *kOrders[] = {"ascending", "descending", "1", "2"};

/// What kernels write, through the frame as generated code does.
float *output(const StcFrame *frame) { return frame->hidden; }

/// Runs `kernel` in one block with memory for one word per thread.
std::vector<float> run(StcSimtKernel kernel, const char *order = "ascending") {
  setenv("STC_SIMT_ORDER", order, /*overwrite=*/1);
  std::vector<float> result(kThreads, -1.0f);
  StcFrame frame = {};
  frame.hidden = result.data();
  stc_simt_run_block(kernel, &frame, 0, 1, kThreads, kWarp, 4 * kThreads);
  unsetenv("STC_SIMT_ORDER");
  return result;
}

float *shared() { return reinterpret_cast<float *>(stc_simt_shared()); }

int32_t bitsOf(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
float floatOf(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float shuffle(float value, int32_t mask, int32_t place) {
  return floatOf(stc_simt_shuffle_xor(bitsOf(value), mask, place));
}

void readNeighbour(const StcFrame *frame, bool waits) {
  int32_t thread = stc_simt_thread();
  shared()[thread] = float(thread);
  if (waits)
    stc_simt_barrier(0);
  output(frame)[thread] = shared()[(thread + 1) % kThreads];
}

TEST(Simt, BarrierMakesWritesVisible) {
  for (const char *order : kOrders) {
    std::vector<float> result =
        run([](const StcFrame *frame) { readNeighbour(frame, true); }, order);
    for (int32_t i = 0; i < kThreads; ++i)
      EXPECT_EQ(result[size_t(i)], float((i + 1) % kThreads)) << order;
  }
}

TEST(Simt, OrdersShowAMissingBarrier) {
  auto racy = [](const StcFrame *frame) { readNeighbour(frame, false); };
  auto bits = [](const std::vector<float> &values) {
    std::vector<int32_t> all;
    for (float value : values)
      all.push_back(bitsOf(value)); // what nobody wrote is NaN
    return all;
  };
  EXPECT_NE(bits(run(racy, "ascending")), bits(run(racy, "descending")));
  EXPECT_NE(bits(run(racy, "1")), bits(run(racy, "2")));
  EXPECT_EQ(bits(run(racy, "1")), bits(run(racy, "1")));
}

TEST(Simt, SharedMemoryBeginsAsNaN) {
  for (int round = 0; round < 2; ++round) { // the second time in the memory of the first
    std::vector<float> result = run([](const StcFrame *frame) {
      output(frame)[stc_simt_thread()] = shared()[stc_simt_thread()];
      shared()[stc_simt_thread()] = 1.0f;
    });
    for (float value : result)
      EXPECT_NE(value, value);
  }
}

TEST(Simt, ShufflesExchangeWithinWarps) {
  for (const char *order : kOrders) {
    std::vector<float> result = run(
        [](const StcFrame *frame) {
          float sum = float(stc_simt_thread());
          for (int32_t mask = kWarp / 2; mask > 0; mask /= 2)
            sum += shuffle(sum, mask, 0);
          output(frame)[stc_simt_thread()] = sum;
        },
        order);
    for (int32_t i = 0; i < kThreads; ++i) {
      int32_t first = i / kWarp * kWarp;
      EXPECT_EQ(result[size_t(i)], float(kWarp * first + kWarp * (kWarp - 1) / 2)) << order;
    }
  }
}

// A warp may shuffle alone, any number of times, while the others wait at a barrier.
TEST(Simt, WarpsShuffleApart) {
  for (const char *order : kOrders) {
    std::vector<float> result = run(
        [](const StcFrame *frame) {
          float value = float(stc_simt_thread());
          for (int32_t i = 0; i < stc_simt_thread() / kWarp; ++i)
            value = shuffle(value, 1, 0);
          stc_simt_barrier(1);
          output(frame)[stc_simt_thread()] = value;
        },
        order);
    for (int32_t i = 0; i < kThreads; ++i)
      EXPECT_EQ(result[size_t(i)], float(i / kWarp % 2 ? i ^ 1 : i)) << order;
  }
}

TEST(Simt, WarpsWaitApart) {
  for (const char *order : kOrders) {
    std::vector<float> result = run(
        [](const StcFrame *frame) {
          int32_t thread = stc_simt_thread();
          for (int32_t i = 0; i < thread / kWarp; ++i) {
            shared()[thread] = float(thread + i);
            stc_simt_warp_barrier(0);
            output(frame)[thread] = shared()[thread ^ 1];
            stc_simt_warp_barrier(1);
          }
        },
        order);
    for (int32_t i = 0; i < kThreads; ++i)
      EXPECT_EQ(result[size_t(i)], i < kWarp ? -1.0f : float((i ^ 1) + i / kWarp - 1)) << order;
  }
}

// Halves of the block go through barriers of their own, one of them more often.
TEST(Simt, SomeThreadsWaitAtNamedBarriers) {
  for (const char *order : kOrders) {
    std::vector<float> result = run(
        [](const StcFrame *frame) {
          int32_t thread = stc_simt_thread(), half = thread / (kThreads / 2);
          int32_t first = half * kThreads / 2, place = thread - first;
          for (int32_t round = 0; round < 3 + 4 * half; ++round) {
            shared()[thread] = float(thread + round);
            stc_simt_named_barrier(1 + half, kThreads / 2, 0);
            output(frame)[thread] = shared()[first + (place + 33) % (kThreads / 2)];
            stc_simt_named_barrier(1 + half, kThreads / 2, 1);
          }
        },
        order);
    for (int32_t i = 0; i < kThreads; ++i) {
      int32_t half = i / (kThreads / 2), first = half * kThreads / 2;
      EXPECT_EQ(result[size_t(i)], float(first + (i - first + 33) % (kThreads / 2) + 2 + 4 * half));
    }
  }
}

TEST(Simt, CopiesAreDoneWhenAwaited) {
  for (const char *order : kOrders) {
    std::vector<float> result = run(
        [](const StcFrame *frame) {
          static const float source[kThreads] = {0, 10, 20};
          int32_t thread = stc_simt_thread();
          stc_simt_copy_async(shared() + thread, source + thread, 4);
          stc_simt_copy_commit();
          stc_simt_copy_commit(); // of nothing
          stc_simt_copy_wait(1);
          output(frame)[thread] = shared()[thread];
        },
        order);
    EXPECT_EQ(std::vector<float>(result.begin(), result.begin() + 4),
              (std::vector<float>{0, 10, 20, 0}));
  }
}

TEST(Simt, OrdersShowACopyThatNobodyAwaits) {
  auto kernel = [](const StcFrame *frame) {
    static const float source = 10;
    int32_t thread = stc_simt_thread();
    shared()[thread] = 5;
    stc_simt_copy_async(shared() + thread, &source, 4);
    stc_simt_copy_commit();
    stc_simt_copy_wait(1);
    output(frame)[thread] = shared()[thread];
    stc_simt_copy_wait(0);
  };
  EXPECT_EQ(run(kernel, "ascending"), std::vector<float>(kThreads, 5.0f));
  EXPECT_EQ(run(kernel, "descending"), std::vector<float>(kThreads, 10.0f));
}

/// Numbers of matrices a (16 x 32) and b (32 x 8), bytes with and without sign.
uint8_t byteOfA(int32_t row, int32_t column) { return uint8_t(row * 37 + column * 11 + 5); }
uint8_t byteOfB(int32_t row, int32_t column) { return uint8_t(row * 7 + column * 91 + 200); }

template <typename Byte> int32_t word(Byte byte) {
  return int32_t(uint32_t(byte(0)) | uint32_t(byte(1)) << 8 | uint32_t(byte(2)) << 16 |
                 uint32_t(byte(3)) << 24);
}

// The places of numbers in registers are those of PTX ISA, "Matrix Fragments for mma.m16n8k32".
TEST(Simt, MultipliesMatricesOfBytes) {
  std::vector<float> result = run(
      [](const StcFrame *frame) {
        int32_t lane = stc_simt_thread() % kWarp, group = lane / 4, inGroup = lane % 4;
        int32_t a[4], b[2], sums[4] = {1000, 2000, 3000, 4000};
        for (int32_t i = 0; i < 4; ++i)
          a[i] = word([&](int32_t byte) {
            return byteOfA(group + (i % 2 ? 8 : 0), inGroup * 4 + byte + (i >= 2 ? 16 : 0));
          });
        for (int32_t i = 0; i < 2; ++i)
          b[i] =
              word([&](int32_t byte) { return byteOfB(inGroup * 4 + byte + (i ? 16 : 0), group); });
        stc_simt_mma_int8(sums, a, b, /*a_signed=*/0, /*b_signed=*/1, 0);
        bool isRight = true;
        for (int32_t i = 0; i < 4; ++i) {
          int32_t row = group + (i >= 2 ? 8 : 0), column = inGroup * 2 + i % 2;
          int32_t expected = 1000 * (i + 1);
          for (int32_t k = 0; k < 32; ++k)
            expected += byteOfA(row, k) * int8_t(byteOfB(k, column));
          isRight &= sums[i] == expected;
        }
        output(frame)[stc_simt_thread()] = isRight;
      },
      "7");
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

// "Matrix Fragments for sparse mma.m16n8k64" of bytes.
TEST(Simt, MultipliesPrunedMatrices) {
  std::vector<float> result = run([](const StcFrame *frame) {
    int32_t lane = stc_simt_thread() % kWarp, group = lane / 4, inGroup = lane % 4;
    // Both places in four columns, of each row and four columns.
    auto placesOf = [](int32_t row, int32_t chunk) {
      constexpr int32_t all[6] = {0x4, 0x8, 0x9, 0xC, 0xD, 0xE};
      return all[(row * 5 + chunk) % 6];
    };
    int32_t a[4], b[4], places = 0, sums[4] = {10, 20, 30, 40};
    for (int32_t i = 0; i < 4; ++i) {
      a[i] = word([&](int32_t byte) { // of 32 numbers that are stored
        return byteOfA(group + (i % 2 ? 8 : 0), inGroup * 4 + byte + (i >= 2 ? 16 : 0));
      });
      b[i] = word([&](int32_t byte) { return byteOfB(inGroup * 4 + byte + 16 * i, group); });
    }
    for (int32_t k = 0; k < 8; ++k)
      places |= int32_t(uint32_t(placesOf(group + inGroup % 2 * 8, inGroup / 2 * 8 + k)) << 4 * k);
    stc_simt_mma_sparse_int8(sums, a, b, places, 0);
    bool isRight = true;
    for (int32_t i = 0; i < 4; ++i) {
      int32_t row = group + (i >= 2 ? 8 : 0), column = inGroup * 2 + i % 2;
      int32_t expected = 10 * (i + 1);
      for (int32_t k = 0; k < 32; ++k) {
        int32_t place = placesOf(row, k / 2) >> (k % 2 * 2) & 3;
        expected += int8_t(byteOfA(row, k)) * int8_t(byteOfB(k / 2 * 4 + place, column));
      }
      isRight &= sums[i] == expected;
    }
    output(frame)[stc_simt_thread()] = isRight;
  });
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

// "Matrix Fragments for sparse mma.m16n8k32" of bf16 and f16, with places from either pair of
// lanes.
TEST(Simt, MultipliesPrunedMatricesOfFloats) {
  std::vector<float> result = run([](const StcFrame *frame) {
    int32_t lane = stc_simt_thread() % kWarp, group = lane / 4, inGroup = lane % 4;
    constexpr int32_t all[6] = {0x4, 0x8, 0x9, 0xC, 0xD, 0xE};
    auto placesOf = [](int32_t row, int32_t chunk) { return all[(row * 5 + chunk) % 6]; };
    // Small integers, whose sums are exact; of A, number k of what is stored of a row.
    auto numberOfA = [](int32_t row, int32_t k) { return float((row * 5 + k * 3) % 17 - 8); };
    auto numberOfB = [](int32_t row, int32_t column) { return float((row * 7 + column) % 13 - 6); };
    bool isRight = true;
    for (bool isF16 : {false, true})
      for (int32_t pair : {0, 1}) {
        auto both = [&](float low, float high) {
          return isF16 ? int32_t(uint32_t(floatToHalf(high)) << 16 | floatToHalf(low))
                       : stc_simt_pair_bf16(high, low);
        };
        int32_t a[4], b[4];
        for (int32_t i = 0; i < 4; ++i) {
          int32_t row = group + (i % 2 ? 8 : 0), k = 2 * (inGroup + (i >= 2 ? 4 : 0));
          a[i] = both(numberOfA(row, k), numberOfA(row, k + 1));
          b[i] = both(numberOfB(8 * i + 2 * inGroup, group),
                      numberOfB(8 * i + 2 * inGroup + 1, group));
        }
        uint32_t places = 0; // those of other lanes are none
        if (inGroup / 2 == pair)
          for (int32_t k = 0; k < 8; ++k)
            places |= uint32_t(placesOf(group + k / 4 * 8, inGroup % 2 * 4 + k % 4)) << 4 * k;
        float sums[4] = {0.5f, 0.25f, 0, 0};
        if (isF16)
          stc_simt_mma_sparse_f16(sums, a, b, int32_t(places), pair, 2 + pair);
        else
          stc_simt_mma_sparse_bf16(sums, a, b, int32_t(places), pair, pair);
        for (int32_t i = 0; i < 4; ++i) {
          int32_t row = group + (i >= 2 ? 8 : 0), column = inGroup * 2 + i % 2;
          float expected = i == 0 ? 0.5f : i == 1 ? 0.25f : 0.0f;
          for (int32_t k = 0; k < 16; ++k) {
            int32_t place = placesOf(row, k / 2) >> (k % 2 * 2) & 3;
            expected += numberOfA(row, k) * numberOfB(k / 2 * 4 + place, column);
          }
          isRight &= sums[i] == expected;
        }
      }
    output(frame)[stc_simt_thread()] = isRight;
  });
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

// "Matrix Fragments for mma.m16n8k16" of bf16.
TEST(Simt, MultipliesMatricesOfBF16) {
  std::vector<float> result = run([](const StcFrame *frame) {
    int32_t lane = stc_simt_thread() % kWarp, group = lane / 4, inGroup = lane % 4;
    // Small integers, whose sums are exact.
    auto numberOfA = [](int32_t row, int32_t column) {
      return float((row * 5 + column * 3) % 17 - 8);
    };
    auto numberOfB = [](int32_t row, int32_t column) { return float((row * 7 + column) % 13 - 6); };
    int32_t a[4], b[2];
    for (int32_t i = 0; i < 4; ++i) {
      int32_t row = group + (i % 2 ? 8 : 0), column = inGroup * 2 + (i >= 2 ? 8 : 0);
      a[i] = stc_simt_pair_bf16(numberOfA(row, column + 1), numberOfA(row, column));
    }
    for (int32_t i = 0; i < 2; ++i) {
      int32_t row = inGroup * 2 + (i ? 8 : 0);
      b[i] = stc_simt_pair_bf16(numberOfB(row + 1, group), numberOfB(row, group));
    }
    float sums[4] = {0.5f, 0.25f, 0, 0};
    stc_simt_mma_bf16(sums, a, b, 0);
    bool isRight = true;
    for (int32_t i = 0; i < 4; ++i) {
      float expected = i == 0 ? 0.5f : i == 1 ? 0.25f : 0.0f;
      for (int32_t k = 0; k < 16; ++k)
        expected += numberOfA(group + (i >= 2 ? 8 : 0), k) * numberOfB(k, inGroup * 2 + i % 2);
      isRight &= sums[i] == expected;
    }
    output(frame)[stc_simt_thread()] = isRight;
  });
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

// "Matrix Fragments for mma.m16n8k16" of f16, with `b` as ldmatrix brings it: in rows of columns
// and in rows of what is summed over.
TEST(Simt, LoadsAndMultipliesMatricesOfF16) {
  std::vector<float> result = run([](const StcFrame *frame) {
    int32_t thread = stc_simt_thread(), lane = thread % kWarp;
    int32_t group = lane / 4, inGroup = lane % 4;
    // Small integers, whose sums are exact, and two matrices of 8 columns beside each other.
    auto numberOfA = [](int32_t row, int32_t k) { return float((row * 5 + k * 3) % 17 - 8); };
    auto numberOfB = [](int32_t k, int32_t column) { return float((k * 7 + column) % 13 - 6); };
    alignas(16) uint16_t byColumn[16][16], byDepth[16][16];
    for (int32_t k = 0; k < 16; ++k)
      for (int32_t column = 0; column < 16; ++column)
        byColumn[column][k] = byDepth[k][column] = floatToHalf(numberOfB(k, column));
    int32_t a[4];
    for (int32_t i = 0; i < 4; ++i) {
      int32_t row = group + (i % 2 ? 8 : 0), k = inGroup * 2 + (i >= 2 ? 8 : 0);
      a[i] = int32_t(uint32_t(floatToHalf(numberOfA(row, k + 1))) << 16 |
                     floatToHalf(numberOfA(row, k)));
    }
    bool isRight = true;
    for (bool transposed : {false, true}) {
      int32_t first = lane / 8 % 2 * 8, second = lane / 16 * 8, inMatrix = lane % 8;
      const uint16_t *row =
          transposed ? &byDepth[first + inMatrix][second] : &byColumn[second + inMatrix][first];
      int32_t b[4];
      stc_simt_load_matrices(b, row, 4, transposed, transposed);
      for (int32_t half = 0; half < 2; ++half) {
        float sums[4] = {0.5f, 0.25f, 0, 0};
        stc_simt_mma_f16(sums, a, b + 2 * half, 2 + 2 * transposed + half);
        for (int32_t i = 0; i < 4; ++i) {
          float expected = i == 0 ? 0.5f : i == 1 ? 0.25f : 0.0f;
          for (int32_t k = 0; k < 16; ++k)
            expected += numberOfA(group + (i >= 2 ? 8 : 0), k) *
                        numberOfB(k, 8 * half + inGroup * 2 + i % 2);
          isRight &= sums[i] == expected;
        }
      }
    }
    output(frame)[thread] = isRight;
  });
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

// The same of f16.
TEST(Simt, MultipliesMatricesOfF16) {
  std::vector<float> result = run([](const StcFrame *frame) {
    int32_t lane = stc_simt_thread() % kWarp, group = lane / 4, inGroup = lane % 4;
    // A has 1 + 2^-10, which bf16 has not, at (row, row); B counts.
    auto pair = [](float low, float high) {
      return int32_t(uint32_t(floatToHalf(high)) << 16 | floatToHalf(low));
    };
    auto a = [](int32_t row, int32_t column) { return row == column ? 1.0009765625f : 0.0f; };
    auto b = [](int32_t row, int32_t column) { return float(row * 8 + column); };
    int32_t wordsOfA[4], wordsOfB[2];
    for (int32_t i = 0; i < 4; ++i) {
      int32_t row = group + (i % 2 ? 8 : 0), column = inGroup * 2 + (i >= 2 ? 8 : 0);
      wordsOfA[i] = pair(a(row, column), a(row, column + 1));
    }
    for (int32_t i = 0; i < 2; ++i) {
      int32_t row = inGroup * 2 + (i ? 8 : 0);
      wordsOfB[i] = pair(b(row, group), b(row + 1, group));
    }
    float sums[4] = {0, 0, 0, 1};
    stc_simt_mma_f16(sums, wordsOfA, wordsOfB, 0);
    bool isRight = true;
    for (int32_t i = 0; i < 4; ++i)
      isRight &= sums[i] == 1.0009765625f * b(group + (i >= 2 ? 8 : 0), inGroup * 2 + i % 2) +
                                (i == 3 ? 1.0f : 0.0f);
    output(frame)[stc_simt_thread()] = isRight;
  });
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

// PTX ISA, "ldmatrix".
TEST(Simt, LoadsMatrices) {
  static uint16_t rows[kThreads][8];
  for (int32_t row = 0; row < kThreads; ++row)
    for (int32_t column = 0; column < 8; ++column)
      rows[row][column] = uint16_t(row * 8 + column);
  std::vector<float> result = run([](const StcFrame *frame) {
    int32_t thread = stc_simt_thread(), lane = thread % kWarp, warp = thread / kWarp * kWarp;
    int32_t pair = lane / 4, first = lane % 4 * 2;
    bool isRight = true;
    for (int32_t count : {4, 2})
      for (int32_t isTransposed : {0, 1}) {
        int32_t words[4] = {};
        // Rows of lanes that do not count are none at all.
        const void *row = lane < 8 * count ? rows[thread] : nullptr;
        stc_simt_load_matrices(words, row, count, isTransposed, 0);
        for (int32_t i = 0; i < count; ++i) {
          const uint16_t(*matrix)[8] = rows + warp + 8 * i;
          uint32_t low = isTransposed ? matrix[first][pair] : matrix[pair][first];
          uint32_t high = isTransposed ? matrix[first + 1][pair] : matrix[pair][first + 1];
          isRight &= uint32_t(words[i]) == (high << 16 | low);
        }
      }
    output(frame)[thread] = isRight;
  });
  EXPECT_EQ(result, std::vector<float>(kThreads, 1.0f));
}

TEST(Simt, RoundsToBF16) {
  auto bits = [](float value) { return uint32_t(stc_simt_pair_bf16(value, 1.0f)); };
  EXPECT_EQ(bits(1.0f), 0x3f803f80u);
  EXPECT_EQ(bits(1.00390625f), 0x3f803f80u); // halfway, to even
  EXPECT_EQ(bits(1.01171875f), 0x3f823f80u); // halfway, to even
  EXPECT_EQ(bits(-1.005f), 0xbf813f80u);
  EXPECT_EQ(bits(floatOf(0x7fffffff)) >> 16 & 0x7fc0, 0x7fc0u); // NaN stays one
}

// As the entry points of a model do: one thread of each block speaks for it at the grid's barrier.
TEST(Simt, BlocksMeetOnThePool) {
  constexpr int64_t blocks = 3;
  auto pool = ThreadPool::create(blocks);
  ASSERT_TRUE(pool.ok()) << pool.status();
  std::vector<float> sums(2 * blocks, 0.0f);
  StcFrame frame = {};
  frame.hidden = sums.data();
  frame.sync = (*pool)->sync();
  (*pool)->run([&](int64_t thread, int64_t threads) {
    auto kernel = [](const StcFrame *frame) {
      int64_t block = stc_simt_block();
      for (int round = 0; round < 20; ++round) {
        float *mine = output(frame) + round % 2 * blocks;
        if (stc_simt_thread() == 7)
          mine[block] = float(round * 10 + block);
        stc_simt_barrier(0);
        if (stc_simt_thread() == 0)
          stc_rt_barrier(frame->sync);
        stc_simt_barrier(1);
        if (mine[(block + 1) % stc_simt_blocks()] !=
            float(round * 10 + (block + 1) % stc_simt_blocks()))
          std::abort();
      }
    };
    stc_simt_run_block(kernel, &frame, thread, threads, kThreads, kWarp, 0);
  });
  EXPECT_EQ(sums, (std::vector<float>{180, 181, 182, 190, 191, 192}));
}

// Callee-saved registers and stacks belong to a fiber.
TEST(Simt, FibersKeepTheirValues) {
  std::vector<float> result = run([](const StcFrame *frame) {
    double values[64];
    int32_t thread = stc_simt_thread();
    for (int i = 0; i < 64; ++i)
      values[i] = thread * 100 + i;
    double a = thread, b = 2 * thread;
    for (int i = 0; i < 64; ++i) {
      stc_simt_barrier(0);
      a += values[i];
      b -= values[i];
    }
    bool isRight = a == thread * 6401.0 + 2016;
    for (int i = 0; i < 64; ++i)
      isRight &= values[i] == thread * 100 + i;
    output(frame)[thread] = isRight ? float(a + b) : -1.0f;
  });
  for (int32_t i = 0; i < kThreads; ++i)
    EXPECT_EQ(result[size_t(i)], float(3 * i));
}

TEST(SimtDeath, DifferentBarriers) {
  auto kernel = [](const StcFrame *) { stc_simt_barrier(stc_simt_thread() < 40 ? 3 : 4); };
  EXPECT_DEATH(
      run(kernel),
      "simt: block 0: expected all threads to wait at the same place, "
      "got thread 0 waits for its block at place 3, thread 40 waits for its block at place 4");
}

TEST(SimtDeath, SomeReturned) {
  auto kernel = [](const StcFrame *) {
    if (stc_simt_thread() != 100)
      stc_simt_barrier(3);
  };
  EXPECT_DEATH(run(kernel), "got thread 0 waits for its block at place 3, thread 100 has returned");
}

TEST(SimtDeath, ShuffleOfHalfAWarp) {
  auto kernel = [](const StcFrame *) {
    if (stc_simt_thread() % kWarp < 16)
      stc_simt_shuffle_xor(0, 1, 5);
    stc_simt_barrier(6);
  };
  EXPECT_DEATH(
      run(kernel),
      "got thread 0 waits for its warp at place 5, thread 16 waits for its block at place 6");
}

TEST(SimtDeath, DifferentShuffles) {
  auto places = [](const StcFrame *) { stc_simt_shuffle_xor(0, 1, stc_simt_thread() % 2); };
  EXPECT_DEATH(
      run(places),
      "got thread 0 waits for its warp at place 0, thread 1 waits for its warp at place 1");
  auto masks = [](const StcFrame *) { stc_simt_shuffle_xor(0, 1 + stc_simt_thread() % 2, 5); };
  EXPECT_DEATH(run(masks), "expected one mask below 32 for all lanes, got 1 and others at place 5");
}

TEST(SimtDeath, CopiesUnderWay) {
  auto kernel = [](const StcFrame *) {
    static const float source = 1;
    stc_simt_copy_async(shared(), &source, 4);
    stc_simt_copy_commit();
  };
  EXPECT_DEATH(run(kernel), "expected no copies under way, got 1 of thread 0 at its end");
}

TEST(SimtDeath, PartsOfWarps) {
  EXPECT_DEATH(run([](const StcFrame *) { stc_simt_named_barrier(1, 40, 2); }),
               "expected whole warps at a barrier from 0 to 15, got 40 threads at 1 at place 2");
}

TEST(SimtDeath, BehindSharedMemory) {
  EXPECT_DEATH(run([](const StcFrame *) { shared()[kThreads] = 0.0f; }), "");
}

TEST(SimtDeath, UnknownOrder) {
  EXPECT_DEATH(run([](const StcFrame *) {}, "sideways"),
               "STC_SIMT_ORDER: expected ascending, descending or a number, got sideways");
}

} // namespace
} // namespace stc
