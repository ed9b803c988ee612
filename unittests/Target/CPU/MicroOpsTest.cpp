// Generated micro-operations against plain C++, on every instruction set that this machine runs.
#include "KernelHarness.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

using namespace stc;

namespace {

class MicroOps : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (!canRun(GetParam()))
      GTEST_SKIP() << "this machine does not run " << GetParam();
  }
};

/// Text that reads a vector of 64 bytes from one memref, or writes it.
std::string load64(const char *name, const char *memref, int64_t at = 0) {
  return absl::StrCat("%at_", name, " = arith.constant ", at, " : index\n%", name,
                      " = vector.load %", memref, "[%at_", name,
                      "] : memref<?xi8>, vector<64xi8>\n");
}

std::vector<uint8_t> randomBytes(RandomNumbers &random, int64_t count, int64_t low, int64_t high) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t &byte : bytes)
    byte = uint8_t(random.integer(low, high));
  return bytes;
}

/// Chains of dot products of extreme and random bytes within the promised bits.
void checkDots(const char *target, int64_t count, int64_t bits, int64_t signedBits) {
  std::string body = "%zero = arith.constant 0 : index\n"
                     "%r0 = vector.load %acc[%zero] : memref<?xi32>, vector<16xi32>\n";
  for (int64_t i = 0; i < count; ++i) {
    std::string u = absl::StrCat("u", i), s = absl::StrCat("s", i);
    absl::StrAppend(&body, load64(u.c_str(), "left", 64 * i), load64(s.c_str(), "right", 64 * i),
                    "%r", i + 1, " = packed.dot4 %r", i, ", %", u, ", %", s, " bits ", bits,
                    " signed_bits ", signedBits, " : vector<16xi32>, vector<64xi8>\n");
  }
  absl::StrAppend(&body, "vector.store %r", count, ", %acc[%zero] : memref<?xi32>, vector<16xi32>");
  auto kernel = CompiledKernel::create(
      "%acc: memref<?xi32>, %left: memref<?xi8>, %right: memref<?xi8>", body, target);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(uint32_t(count * 100 + bits * 10 + signedBits));
  int64_t most = (1 << bits) - 1, low = -(1 << (signedBits - 1)), high = -low - 1;
  const std::pair<int64_t, int64_t> ranges[][2] = {{{0, most}, {low, high}},
                                                   {{most, most}, {low, low}},
                                                   {{most, most}, {high, high}},
                                                   {{0, 0}, {low, low}}};
  for (const auto &range : ranges) {
    Buffer<int32_t> sums(1, 16);
    Buffer<uint8_t> left(randomBytes(random, 64 * count, range[0].first, range[0].second));
    Buffer<uint8_t> right(randomBytes(random, 64 * count, range[1].first, range[1].second));
    std::vector<int32_t> expected(16);
    for (int64_t i = 0; i < 16; ++i) {
      expected[i] = sums[i] = int32_t(random.integer(-1000000, 1000000));
      for (int64_t k = 0; k < count; ++k)
        for (int64_t j = 0; j < 4; ++j) {
          int64_t at = 64 * k + 4 * i + j;
          expected[i] += int32_t(left[at]) * int8_t(right[at]);
        }
    }
    (*kernel)->run({Argument::vector(sums), Argument::vector(left), Argument::vector(right)});
    for (int64_t i = 0; i < 16; ++i)
      ASSERT_EQ(sums[i], expected[i])
          << "lane " << i << ", " << count << " of bits " << bits << " and " << signedBits;
  }
}

TEST_P(MicroOps, DotProductsAreExact) {
  const std::pair<int64_t, int64_t> widths[] = {{8, 8}, {7, 8}, {4, 8}, {8, 7},
                                                {8, 4}, {1, 1}, {4, 4}};
  for (int64_t count : {1, 2, 9, 40})
    for (auto [bits, signedBits] : widths) {
      // Long chains of some widths.
      if (isEmulated(GetParam()) && (count < 9 || bits + signedBits == 15 || bits == 1))
        continue;
      checkDots(GetParam(), count, bits, signedBits);
      if (HasFatalFailure())
        return;
    }
}

/// Chains of products of 16 rows by two tokens.
void checkMatrices(const char *target, int64_t count, int64_t bits) {
  std::string body = "%zero = arith.constant 0 : index\n"
                     "%r0 = vector.load %acc[%zero] : memref<?xi32>, vector<32xi32>\n";
  for (int64_t i = 0; i < count; ++i)
    absl::StrAppend(&body, "%u", i, "_at = arith.constant ", 128 * i, " : index\n%u", i,
                    " = vector.load %left[%u", i, "_at] : memref<?xi8>, vector<128xi8>\n%s", i,
                    "_at = arith.constant ", 16 * i, " : index\n%s", i, " = vector.load %right[%s",
                    i, "_at] : memref<?xi8>, vector<16xi8>\n%r", i + 1, " = packed.dot8x2 %r", i,
                    ", %u", i, ", %s", i, " bits ", bits, " : vector<32xi32>, vector<128xi8>\n");
  absl::StrAppend(&body, "vector.store %r", count, ", %acc[%zero] : memref<?xi32>, vector<32xi32>");
  auto kernel = CompiledKernel::create(
      "%acc: memref<?xi32>, %left: memref<?xi8>, %right: memref<?xi8>", body, target);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(uint32_t(count * 10 + bits));
  int64_t most = (1 << bits) - 1;
  const std::pair<int64_t, int64_t> ranges[][2] = {{{0, most}, {-128, 127}},
                                                   {{most, most}, {-128, -128}}};
  for (const auto &range : ranges) {
    Buffer<int32_t> sums(1, 32);
    Buffer<uint8_t> left(randomBytes(random, 128 * count, range[0].first, range[0].second));
    Buffer<uint8_t> right(randomBytes(random, 16 * count, range[1].first, range[1].second));
    std::vector<int32_t> expected(32);
    for (int64_t row = 0; row < 16; ++row)
      for (int64_t token = 0; token < 2; ++token) {
        int32_t &sum = expected[2 * row + token];
        sum = sums[2 * row + token] = int32_t(random.integer(-1000000, 1000000));
        for (int64_t i = 0; i < count; ++i)
          for (int64_t k = 0; k < 8; ++k)
            sum += int32_t(left[128 * i + 8 * row + k]) * int8_t(right[16 * i + 8 * token + k]);
      }
    (*kernel)->run({Argument::vector(sums), Argument::vector(left), Argument::vector(right)});
    for (int64_t i = 0; i < 32; ++i)
      ASSERT_EQ(sums[i], expected[i]) << "lane " << i << ", " << count << " of bits " << bits;
  }
}

TEST_P(MicroOps, MatrixProductsAreExact) {
  for (int64_t count : {1, 5})
    for (int64_t bits : {8, 4, 1})
      if (!isEmulated(GetParam()) || count > 1) {
        checkMatrices(GetParam(), count, bits);
        if (HasFatalFailure())
          return;
      }
}

TEST_P(MicroOps, Select16LooksUpBytes) {
  auto kernel = CompiledKernel::create(
      "%table: memref<?xi8>, %positions: memref<?xi8>, %out: memref<?xi8>",
      absl::StrCat(load64("t", "table"), load64("p", "positions"),
                   "%r = packed.select16 %t, %p : vector<64xi8>\n"
                   "vector.store %r, %out[%at_t] : memref<?xi8>, vector<64xi8>"),
      GetParam());
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(1);
  for (int64_t high : {15, 255}) {
    Buffer<uint8_t> table(randomBytes(random, 64, 0, 255)), out(1, 64);
    Buffer<uint8_t> positions(randomBytes(random, 64, 0, high));
    (*kernel)->run({Argument::vector(table), Argument::vector(positions), Argument::vector(out)});
    for (int64_t i = 0; i < 64; ++i)
      ASSERT_EQ(out[i], table[i / 16 * 16 + positions[i] % 16]) << "byte " << i;
  }
}

TEST_P(MicroOps, Select64LooksUpBytes) {
  auto kernel = CompiledKernel::create(
      "%table: memref<?xi8>, %positions: memref<?xi8>, %out: memref<?xi8>",
      absl::StrCat(load64("t", "table"), load64("p", "positions"),
                   "%r = packed.select64 %t, %p : vector<64xi8>\n"
                   "vector.store %r, %out[%at_t] : memref<?xi8>, vector<64xi8>"),
      GetParam());
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(2);
  for (int64_t high : {63, 255}) {
    Buffer<uint8_t> table(randomBytes(random, 64, 0, 255)), out(1, 64);
    Buffer<uint8_t> positions(randomBytes(random, 64, 0, high));
    (*kernel)->run({Argument::vector(table), Argument::vector(positions), Argument::vector(out)});
    for (int64_t i = 0; i < 64; ++i)
      ASSERT_EQ(out[i], table[positions[i] % 64]) << "byte " << i;
  }
}

/// `prepare` is applied to the loaded values, whose name is %v, and gives %w.
void checkExpand(const char *target, const std::string &prepare, uint8_t (*function)(uint8_t)) {
  auto kernel = CompiledKernel::create(
      "%values: memref<?xi8>, %other: memref<?xi8>, %mask: i64, %out: memref<?xi8>",
      absl::StrCat(load64("p", "other"), prepare,
                   "%r = packed.expand %w, %p, %mask : vector<64xi8>\n"
                   "vector.store %r, %out[%at_p] : memref<?xi8>, vector<64xi8>"),
      target);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(2);
  std::vector<uint64_t> masks = {
      0, ~uint64_t(0), 1, uint64_t(1) << 63, 0x00FF00FF00FF00FF, 0xFFFFFFFF00000000};
  for (int i = 0; i < 40; i += isEmulated(target) ? 13 : 1) {
    uint64_t mask = 0;
    for (int bit = 0; bit < 64; ++bit)
      mask |= uint64_t(random.chance(i / 40.0)) << bit;
    masks.push_back(mask);
  }
  for (uint64_t mask : masks) {
    Buffer<uint8_t> values(randomBytes(random, 64, 0, 255)), out(1, 64);
    Buffer<uint8_t> other(randomBytes(random, 64, 0, 255));
    std::vector<uint8_t> before(values.data(), values.data() + values.size());
    (*kernel)->run({Argument::vector(values), Argument::vector(other),
                    Argument::number(int64_t(mask)), Argument::vector(out)});
    int64_t next = 0;
    for (int64_t i = 0; i < 64; ++i)
      ASSERT_EQ(out[i], mask >> i & 1 ? function(before[next++]) : other[i])
          << "byte " << i << " of mask " << mask;
  }
}

TEST_P(MicroOps, ExpandSpreadsBytes) {
  std::string loaded = load64("v", "values");
  checkExpand(GetParam(),
              loaded + "%z = arith.constant dense<0> : vector<64xi8>\n"
                       "%w = arith.addi %v, %z : vector<64xi8>\n",
              [](uint8_t byte) { return byte; });
  // As weights are read: from an address, and one half of each byte.
  std::string fromAddress =
      "%at = arith.constant 0 : index\n"
      "%i = memref.extract_aligned_pointer_as_index %values : memref<?xi8> -> "
      "index\n%j = arith.index_cast %i : index to i64\n"
      "%a = llvm.inttoptr %j : i64 to !llvm.ptr\n"
      "%v = llvm.load %a {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>\n";
  checkExpand(GetParam(),
              fromAddress + "%c = arith.constant dense<15> : vector<64xi8>\n"
                            "%w = arith.andi %v, %c : vector<64xi8>\n",
              [](uint8_t byte) { return uint8_t(byte & 15); });
  checkExpand(GetParam(),
              fromAddress + "%c = arith.constant dense<4> : vector<64xi8>\n"
                            "%w = arith.shrui %v, %c : vector<64xi8>\n",
              [](uint8_t byte) { return uint8_t(byte >> 4); });
  // Overwritten between loading and use: the loaded values count.
  checkExpand(GetParam(),
              fromAddress + "vector.store %p, %values[%at] : memref<?xi8>, vector<64xi8>\n"
                            "%c = arith.constant dense<4> : vector<64xi8>\n"
                            "%w = arith.shrui %v, %c : vector<64xi8>\n",
              [](uint8_t byte) { return uint8_t(byte >> 4); });
}

std::string testName(const testing::TestParamInfo<const char *> &info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, MicroOps,
                         testing::Values("native", "x86-64-v4+avx512vnni", "x86-64-v4",
                                         "x86-64-v3+avxvnni", "x86-64-v3", "x86-64-v2", "x86-64"),
                         testName);

INSTANTIATE_TEST_SUITE_P(Emulated, MicroOps, testing::ValuesIn(kEmulatedTargets), testName);
// Vectors of other lengths: the least that the architecture allows, and the longest of SVE's.
INSTANTIATE_TEST_SUITE_P(EmulatedLengths, MicroOps, testing::Values("riscv64+v", "a64fx"),
                         testName);

} // namespace
