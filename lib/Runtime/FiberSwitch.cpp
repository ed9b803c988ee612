// Fibers: what the ABI asks a call to keep is pushed on one stack and popped from another.
#include "FiberSwitch.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define STC_FIBERS_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STC_FIBERS_UNDER_ASAN 1
#endif
#endif
#ifndef STC_FIBERS_UNDER_ASAN
#define STC_FIBERS_UNDER_ASAN 0
#endif
#if STC_FIBERS_UNDER_ASAN
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Floating-point modes are never changed, so they are not kept.
extern "C" void stc_fiber_switch(void **from, void *to);

#if defined(__x86_64__)
asm(R"(
  .text
  .p2align 4
  .hidden stc_fiber_switch
  .globl stc_fiber_switch
  .type stc_fiber_switch, @function
stc_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size stc_fiber_switch, .-stc_fiber_switch
)");
#elif defined(__aarch64__)
asm(R"(
  .text
  .p2align 4
  .hidden stc_fiber_switch
  .globl stc_fiber_switch
  .type stc_fiber_switch, %function
stc_fiber_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size stc_fiber_switch, .-stc_fiber_switch
)");
#else
extern "C" void stc_fiber_switch(void **, void *) { std::abort(); } // see hasFibers
#endif

namespace stc {

void prepareFiber(FiberContext &fiber, uint8_t *stack, size_t bytes, void (*entry)()) {
  fiber = {};
  fiber.stack = stack;
  fiber.stackBytes = bytes;
  auto *top = reinterpret_cast<void **>(stack + bytes); // page-aligned
#if defined(__x86_64__)
  // Six registers, then where `ret` goes; above it the word a call would have pushed, which leaves
  // the stack as the ABI wants it at the first instruction of a function.
  void **frame = top - 8;
  for (int i = 0; i < 8; ++i)
    frame[i] = nullptr;
  frame[6] = reinterpret_cast<void *>(entry);
#elif defined(__aarch64__)
  void **frame = top - 20;
  for (int i = 0; i < 20; ++i)
    frame[i] = nullptr;
  frame[11] = reinterpret_cast<void *>(entry); // x30
#else
  void **frame = top;
  (void)entry;
#endif
  fiber.stackPointer = frame;
}

void beginFiber() {
#if STC_FIBERS_UNDER_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void switchFiber(FiberContext &from, FiberContext &to, bool ends) {
#if STC_FIBERS_UNDER_ASAN
  void *stack = const_cast<uint8_t *>(to.stack);
  size_t bytes = to.stackBytes;
  if (pthread_attr_t attributes; !stack && pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &stack, &bytes);
    pthread_attr_destroy(&attributes);
  }
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.sanitizerStack, stack, bytes);
#else
  (void)ends;
#endif
  stc_fiber_switch(&from.stackPointer, to.stackPointer);
#if STC_FIBERS_UNDER_ASAN
  __sanitizer_finish_switch_fiber(from.sanitizerStack, nullptr, nullptr);
#endif
}

GuardedMemory::GuardedMemory(size_t count, size_t bytes)
    : pieces(count), guardBytes(size_t(sysconf(_SC_PAGESIZE))),
      pieceBytes((bytes + guardBytes - 1) / guardBytes * guardBytes) {
  void *mapped = mmap(nullptr, allBytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  bool isRefused = mapped == MAP_FAILED;
  memory = static_cast<uint8_t *>(mapped);
  for (size_t i = 0; i <= count && !isRefused; ++i)
    isRefused = mprotect(guard(i), guardBytes, PROT_NONE) != 0;
  if (isRefused) {
    std::fprintf(stderr, "error: memory: expected %zu bytes for simulated threads\n", allBytes());
    std::abort();
  }
}

GuardedMemory::~GuardedMemory() { munmap(memory, allBytes()); }

uint8_t *GuardedMemory::piece(size_t number) const { return guard(number) + guardBytes; }

} // namespace stc
