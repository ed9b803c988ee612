// Compiles small functions of packed operations on memrefs and runs them in this process.
#ifndef STC_TARGET_AUTOTUNE_JITKERNEL_H
#define STC_TARGET_AUTOTUNE_JITKERNEL_H

#include "stc/Packing/Layout.h"
#include "stc/Target/Emission/CodeGenerator.h"

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// An argument of a compiled function: a number, an address or a memref.
class Argument {
public:
  static Argument number(int64_t value) { return Argument(reinterpret_cast<void *>(value)); }
  static Argument address(const void *value) { return Argument(const_cast<void *>(value)); }
  /// A row-major matrix: anything with data(), rows and columns.
  template <typename Matrix> static Argument matrix(const Matrix &buffer) {
    return Argument(std::vector<int64_t>{reinterpret_cast<int64_t>(buffer.data()),
                                         reinterpret_cast<int64_t>(buffer.data()), 0, buffer.rows,
                                         buffer.columns, buffer.columns, 1});
  }
  /// Anything with data() and size().
  template <typename Vector> static Argument vector(const Vector &buffer) {
    return Argument(std::vector<int64_t>{reinterpret_cast<int64_t>(buffer.data()),
                                         reinterpret_cast<int64_t>(buffer.data()), 0, buffer.size(),
                                         1});
  }
  /// As the machine words it is made of: a value, or a descriptor.
  std::vector<int64_t> words() const {
    return descriptor.empty() ? std::vector<int64_t>{reinterpret_cast<int64_t>(value)} : descriptor;
  }
  void *get() { return descriptor.empty() ? value : descriptor.data(); }

private:
  explicit Argument(void *value) : value(value) {}
  explicit Argument(std::vector<int64_t> descriptor) : descriptor(std::move(descriptor)) {}
  void *value = nullptr;
  std::vector<int64_t> descriptor; // as MLIR's: two pointers, offset, sizes, strides
};

/// A layout as the text of its attribute.
std::string layoutText(const Layout &layout);

/// Whether this machine itself runs code for `target`.
bool runsHere(const std::string &target);

/// The code of a function @kernel with these parameters and this body, both as text, as object or
/// text. `passes`, a pipeline of registered passes as text, run first. An argument of type
/// !stc.kv_cache needs the addresses of keys and values as the last two arguments, each of type
/// !llvm.ptr; a function whose loops `passes` distribute among threads, the thread's number and how
/// many there are, each of type index.
absl::StatusOr<std::string> generateKernel(const std::string &parameters, const std::string &body,
                                           const std::string &target, const std::string &passes,
                                           CodeKind kind);

/// The machine code of such a function, in this process.
class JitKernel {
public:
  static constexpr size_t kMaxArguments = 12;

  static absl::StatusOr<std::unique_ptr<JitKernel>> load(const std::string &object);
  ~JitKernel();
  /// Takes up to kMaxArguments arguments.
  void run(absl::Span<Argument> arguments) const;

private:
  JitKernel();
  struct State;
  std::unique_ptr<State> state;
};

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_JITKERNEL_H
