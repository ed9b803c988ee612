// A matrix multiplication on random data, to be run again and again by several kernels.
#ifndef STC_TARGET_AUTOTUNE_KERNELBENCH_H
#define STC_TARGET_AUTOTUNE_KERNELBENCH_H

#include "stc/Runtime/ThreadPool.h"
#include "stc/Target/Autotune/JitKernel.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// What is multiplied. Every thread multiplies a matrix of its own, `rows` x `columns`.
struct KernelShape {
  Layout layout;
  int64_t rows = 0, columns = 0, tokens = 1;
  /// The kernel is compiled for any number of tokens, as that of prompts is.
  bool anyTokens = false;
  /// The kernel takes split activations too, as a packed.matmul with two inputs does.
  bool split = false;
};

/// Operands of a shape, in more memory than caches hold where that is what real models do.
class KernelBench {
public:
  /// `weightBytes` of memory hold copies of the weights, one at least for each thread of `pool`,
  /// which must outlive the object. Errors: the memory cannot be had.
  static absl::StatusOr<std::unique_ptr<KernelBench>> create(const KernelShape &shape,
                                                             int64_t weightBytes, ThreadPool &pool);
  virtual ~KernelBench() = default;

  /// Compiles the multiplication with a lowering config, given as its text; empty: the one that
  /// compilations choose. May be called by several threads at a time.
  static absl::StatusOr<std::unique_ptr<JitKernel>>
  compile(const KernelShape &shape, const std::string &config, const std::string &target);

  /// Bytes of one matrix: of bitmaps and blocks as many as usual pruning leaves.
  static int64_t matrixBytes(const KernelShape &shape);
  /// Copies that each thread has.
  virtual int64_t copies() const = 0;

  /// All threads multiply all their copies once; returns the seconds.
  virtual double measure(const JitKernel &kernel) = 0;
};

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_KERNELBENCH_H
