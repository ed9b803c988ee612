// Small functions of packed operations on memrefs, compiled and run in this process or an emulator,
// and guarded operands for them: for tests and benchmarks.
#ifndef STC_UNITTESTS_TARGET_CPU_KERNELHARNESS_H
#define STC_UNITTESTS_TARGET_CPU_KERNELHARNESS_H

#include "stc/Packing/Layout.h"
#include "stc/Target/Autotune/JitKernel.h"
#include "stc/Target/CPU/TargetDescription.h"
#include "stc/Target/Emission/CodeGenerator.h"

#include "absl/status/statusor.h"
#include "llvm/ADT/ArrayRef.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace stc {

/// The end of a piece of memory that lies at a page which must not be touched.
enum class Guard { Before, After };

/// Memory between two pages that must not be touched. It begins right after the first one or ends
/// right before the second one; what lies between its other end and the other page is watched.
class GuardedBytes {
public:
  explicit GuardedBytes(size_t size, Guard guard = Guard::After);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes &) = delete;
  GuardedBytes &operator=(const GuardedBytes &) = delete;
  void *data() const { return begin; }
  /// Whether the bytes between the memory and the page that is further away are as they were.
  bool isIntact() const;
  /// From now on a write is a crash.
  void forbidWriting();

  struct Range {
    void *begin;
    size_t size;
  };
  /// The guarded memory that begins at `address`, if any does.
  static std::optional<Range> find(const void *address);

private:
  char *mapping = nullptr; // the first page
  size_t page = 0, pages = 0, size = 0;
  char *begin = nullptr;
};

/// A row-major matrix (or vector, of one row) in guarded memory.
template <typename T> class Buffer {
public:
  Buffer(int64_t rows, int64_t columns, T value = T(), Guard guard = Guard::After)
      : rows(rows), columns(columns), bytes(rows * columns * sizeof(T), guard) {
    std::fill_n(data(), size(), value);
  }
  explicit Buffer(const std::vector<T> &values, Guard guard = Guard::After)
      : Buffer(1, values.size(), T(), guard) {
    std::memcpy(data(), values.data(), values.size() * sizeof(T));
  }
  T *data() const { return static_cast<T *>(bytes.data()); }
  int64_t size() const { return rows * columns; }
  T &operator()(int64_t row, int64_t column) const { return data()[row * columns + column]; }
  T &operator[](int64_t index) const { return data()[index]; }
  bool isIntact() const { return bytes.isIntact(); }
  void forbidWriting() { bytes.forbidWriting(); }

  const int64_t rows, columns;

private:
  GuardedBytes bytes;
};

/// A kernel for another architecture, ready to run under an emulator.
class ForeignKernel {
public:
  virtual ~ForeignKernel() = default;
  /// Every buffer must be guarded. A crash is a test failure.
  virtual void run(llvm::MutableArrayRef<Argument> arguments) const = 0;
};

/// Runs code for other architectures.
class Emulator {
public:
  virtual ~Emulator() = default;
  virtual bool canRun(const cpu::TargetDescription &target) const = 0;
  virtual absl::StatusOr<std::unique_ptr<ForeignKernel>>
  load(const std::string &object, const cpu::TargetDescription &target) const = 0;
};

/// Null where the program is not linked with one.
Emulator *theEmulator() __attribute__((weak));

/// Whether this machine runs code for `target`, other architectures under an emulator.
bool canRun(const std::string &target);

/// Whether code for `target` runs under an emulator, which takes a while to start each time.
bool isEmulated(const std::string &target);

/// Other architectures' targets, each of which some instruction is chosen for.
constexpr const char *kEmulatedTargets[] = {
    "aarch64",     "aarch64+dotprod",          "aarch64+i8mm",
    "neoverse-v2", "aarch64+sve2+sve256+i8mm", "riscv64",
    "riscv64+v+zvl256b"};

/// The same as parameters of tests: unlike a pointer, a string is the same in every run, and so are
/// the names of tests that hold it.
inline std::vector<std::string> emulatedTargets() {
  return {std::begin(kEmulatedTargets), std::end(kEmulatedTargets)};
}

/// A function @kernel, compiled through the passes under test. An argument of type !stc.kv_cache
/// needs the addresses of keys and values as the last two arguments, each of type !llvm.ptr; one
/// whose loops `passes` distribute among threads, the thread's number and their count as index.
class CompiledKernel {
public:
  /// `parameters` and `body` are those of the function, as text. `passes` run first.
  static absl::StatusOr<std::unique_ptr<CompiledKernel>> create(const std::string &parameters,
                                                                const std::string &body,
                                                                const std::string &target,
                                                                const std::string &passes = "");
  ~CompiledKernel();
  /// Takes up to kMaxArguments arguments.
  void run(std::vector<Argument> arguments) const;
  static constexpr size_t kMaxArguments = JitKernel::kMaxArguments;

private:
  CompiledKernel();
  struct State;
  std::unique_ptr<State> state;
};

/// The modes of floating-point arithmetic (rounding, denormals, traps) that code must leave as they
/// were.
uint32_t floatModes();

/// Reproducible random numbers.
class RandomNumbers {
public:
  explicit RandomNumbers(uint32_t seed) : engine(seed) {}
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  }
  float real(float low = -1, float high = 1) {
    return std::uniform_real_distribution<float>(low, high)(engine);
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(engine); }
  template <typename T> T oneOf(std::initializer_list<T> values) {
    return values.begin()[integer(0, int64_t(values.size()) - 1)];
  }

private:
  std::mt19937 engine;
};

} // namespace stc

#endif // STC_UNITTESTS_TARGET_CPU_KERNELHARNESS_H
