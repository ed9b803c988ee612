// Stacks of their own for pieces of one thread's work, and the switch between them.
#ifndef STC_LIB_RUNTIME_FIBERSWITCH_H
#define STC_LIB_RUNTIME_FIBERSWITCH_H

#include <cstddef>
#include <cstdint>

namespace stc {

/// Whether fibers are there for this architecture (x86-64 and AArch64).
#if defined(__x86_64__) || defined(__aarch64__)
constexpr bool hasFibers = true;
#else
constexpr bool hasFibers = false;
#endif

/// What a fiber that does not run has in store: everything else is on its stack.
struct FiberContext {
  void *stackPointer = nullptr;
  const uint8_t *stack = nullptr; // lowest byte; null: the stack of the thread itself
  size_t stackBytes = 0;
  void *sanitizerStack = nullptr; // AddressSanitizer's
};

/// Prepares a fiber that begins with a call of `entry`, which must never return.
void prepareFiber(FiberContext &fiber, uint8_t *stack, size_t bytes, void (*entry)());

/// Leaves the running fiber, kept in `from`, for `to`; returns when another one switches back.
/// `ends`: nobody will.
void switchFiber(FiberContext &from, FiberContext &to, bool ends = false);

/// The first thing a fiber's entry does.
void beginFiber();

/// `count` pieces of memory of `bytes` each, with pages before, between and after them that fault.
/// Zero at first.
class GuardedMemory {
public:
  /// `bytes` is rounded up to whole pages. Aborts where the system refuses.
  GuardedMemory(size_t count, size_t bytes);
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory &) = delete;
  GuardedMemory &operator=(const GuardedMemory &) = delete;

  size_t count() const { return pieces; }
  /// Bytes of a piece.
  size_t bytes() const { return pieceBytes; }
  uint8_t *piece(size_t number) const;

private:
  uint8_t *guard(size_t number) const { return memory + number * (guardBytes + pieceBytes); }
  size_t allBytes() const { return pieces * (guardBytes + pieceBytes) + guardBytes; }

  size_t pieces, guardBytes, pieceBytes;
  uint8_t *memory;
};

} // namespace stc

#endif // STC_LIB_RUNTIME_FIBERSWITCH_H
