// Which buffers a piece of code reads and writes, as far as barriers need to know.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_MEMORYACCESS_H
#define STC_DIALECT_PACKED_TRANSFORMS_MEMORYACCESS_H

#include "mlir/IR/Operation.h"

namespace stc {

/// A piece of memory.
struct MemoryPiece {
  /// Weights and other constants are never written. Buffers (allocations, arguments of a function)
  /// are told apart by their value, and so are private ones, which are on each thread's stack; the
  /// cache is one piece. Unknown may be any of them.
  enum class Kind { Constant, Private, Buffer, Cache, Unknown } kind = Kind::Unknown;
  mlir::Value buffer; // Private, Buffer

  bool mayOverlap(const MemoryPiece &other) const;
};

/// The memory `pointer`, a memref or an address, leads to.
MemoryPiece findMemory(mlir::Value pointer);

/// The reads and writes of some operations.
class MemoryAccesses {
public:
  MemoryAccesses() = default;
  /// What `op` and the operations inside it access. Operations that do not say what they do count
  /// as writing all their memrefs, or everything if they have none.
  explicit MemoryAccesses(mlir::Operation *op);

  /// True if the order of the two sets of accesses matters, in one thread (which has its private
  /// buffers) ...
  bool conflictsWith(const MemoryAccesses &other) const;
  /// ... or between threads (which share the others).
  bool racesWith(const MemoryAccesses &other) const;
  void merge(const MemoryAccesses &other);
  /// What these are to others where every thread does them itself, and all write the same: a thread
  /// need not wait to read what it has written, but must before something else is written there.
  MemoryAccesses asReads() const;
  bool empty() const { return read.empty() && written.empty(); }
  llvm::ArrayRef<MemoryPiece> getWritten() const { return written; }
  void clear() {
    read.clear();
    written.clear();
  }

private:
  void addOperation(mlir::Operation *op);
  void add(mlir::Value pointer, bool isWrite);

  llvm::SmallVector<MemoryPiece> read, written; // none of them Constant
};

} // namespace stc

#endif // STC_DIALECT_PACKED_TRANSFORMS_MEMORYACCESS_H
