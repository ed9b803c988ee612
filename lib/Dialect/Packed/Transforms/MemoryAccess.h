// Which buffers a piece of code reads and writes, as far as barriers need to know.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_MEMORYACCESS_H
#define STC_DIALECT_PACKED_TRANSFORMS_MEMORYACCESS_H

#include "mlir/IR/Operation.h"

namespace stc {

/// A piece of memory that threads share.
struct MemoryRange {
  /// Weights and other constants are never written, so they need no ordering. Arena ranges are
  /// told apart by their bytes, arguments by their value; the cache is one piece. Anything may
  /// overlap Unknown.
  enum class Kind { Constant, Arena, Argument, Cache, Unknown } kind = Kind::Unknown;
  mlir::Value argument;       // Argument
  int64_t begin = 0, end = 0; // Arena, bytes

  bool mayOverlap(const MemoryRange &other) const;
};

/// The reads and writes of some operations.
class MemoryAccesses {
public:
  MemoryAccesses() = default;
  /// What `op` and the operations inside it access. Operations that do not say what they do count
  /// as writing all their memrefs, or everything if they have none.
  explicit MemoryAccesses(mlir::Operation *op);

  /// True if the order of the two sets of accesses matters.
  bool conflictsWith(const MemoryAccesses &other) const;
  void merge(const MemoryAccesses &other);
  bool empty() const { return read.empty() && written.empty(); }
  bool writes() const { return !written.empty(); }
  void clear() {
    read.clear();
    written.clear();
  }

private:
  void addOperation(mlir::Operation *op);
  void add(mlir::Value buffer, bool isWrite);

  llvm::SmallVector<MemoryRange> read, written;
};

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_MEMORYACCESS_H
