// Guarded memory, and kernels that run here or under an emulator.
#include "KernelHarness.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Support/Error.h"
#include "stc/Target/CPU/Passes.h"

#include "mlir/Transforms/Passes.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/PrettyStackTrace.h"

#include <cfenv>
#include <map>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

using namespace stc;

/// What `passes` of CompiledKernel::create may name, among others.
static const bool registered = [] {
  mlir::registerTransformsPasses();
  registerPackedTransformsPasses();
  registerTargetCPUPasses();
  // A crash of generated code names what runs: llvm::PrettyStackTraceString.
  llvm::EnablePrettyStackTrace();
  return true;
}();

/// Where guarded memory begins, and how large it is.
static std::map<const void *, size_t> &guardedMemory() {
  static std::map<const void *, size_t> memory;
  return memory;
}

static constexpr char kWatched = 0x5A; // what bytes beside guarded ones hold

GuardedBytes::GuardedBytes(size_t size, Guard guard) : page(sysconf(_SC_PAGESIZE)), size(size) {
  pages = (size + page - 1) / page * page;
  void *mapped = mmap(nullptr, pages + 2 * page, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    llvm::report_fatal_error("out of memory");
  mapping = static_cast<char *>(mapped);
  char *usable = mapping + page;
  if (pages > 0 && mprotect(usable, pages, PROT_READ | PROT_WRITE) != 0)
    llvm::report_fatal_error("out of memory");
  begin = guard == Guard::Before ? usable : usable + pages - size;
  std::fill(usable, begin, kWatched);
  std::fill(begin + size, usable + pages, kWatched);
  guardedMemory()[begin] = size;
}

GuardedBytes::~GuardedBytes() {
  guardedMemory().erase(begin);
  munmap(mapping, pages + 2 * page);
}

bool GuardedBytes::isIntact() const {
  auto isWatched = [](char byte) { return byte == kWatched; };
  const char *usable = mapping + page;
  return std::all_of(usable, static_cast<const char *>(begin), isWatched) &&
         std::all_of(static_cast<const char *>(begin + size), usable + pages, isWatched);
}

void GuardedBytes::forbidWriting() {
  if (pages > 0 && mprotect(mapping + page, pages, PROT_READ) != 0)
    llvm::report_fatal_error("cannot protect memory");
}

uint32_t stc::floatModes() {
#ifdef __SSE__
  constexpr uint32_t flags = 0x3F; // of what happened, not of what is to happen
  return _mm_getcsr() & ~flags;
#else
  return std::fegetround();
#endif
}

std::optional<GuardedBytes::Range> GuardedBytes::find(const void *address) {
  auto found = guardedMemory().find(address);
  if (found == guardedMemory().end())
    return std::nullopt;
  return Range{const_cast<void *>(found->first), found->second};
}

bool stc::canRun(const std::string &target) {
  auto wanted = cpu::TargetDescription::parse(target);
  auto native = cpu::TargetDescription::parse("native");
  if (!wanted.ok() || !native.ok())
    return false;
  if (wanted->triple != native->triple)
    return theEmulator && theEmulator()->canRun(*wanted);
  return runsHere(target);
}

bool stc::isEmulated(const std::string &target) {
  auto wanted = cpu::TargetDescription::parse(target);
  return wanted.ok() && wanted->triple != cpu::TargetDescription::parse("native")->triple;
}

struct CompiledKernel::State {
  std::unique_ptr<JitKernel> native;
  std::unique_ptr<ForeignKernel> foreign; // instead of the above
};

CompiledKernel::CompiledKernel() : state(std::make_unique<State>()) {}
CompiledKernel::~CompiledKernel() = default;

absl::StatusOr<std::unique_ptr<CompiledKernel>>
CompiledKernel::create(const std::string &parameters, const std::string &body,
                       const std::string &target, const std::string &passes) {
  STC_ASSIGN_OR_RETURN(std::string object,
                       generateKernel(parameters, body, target, passes, CodeKind::Object));
  std::unique_ptr<CompiledKernel> kernel(new CompiledKernel());
  if (isEmulated(target)) {
    if (!theEmulator)
      return absl::InvalidArgumentError("no emulator for " + target);
    STC_ASSIGN_OR_RETURN(auto description, cpu::TargetDescription::parse(target));
    STC_ASSIGN_OR_RETURN(kernel->state->foreign, theEmulator()->load(object, description));
  } else {
    STC_ASSIGN_OR_RETURN(kernel->state->native, JitKernel::load(object));
  }
  return kernel;
}

void CompiledKernel::run(std::vector<Argument> arguments) const {
  if (state->foreign)
    state->foreign->run(arguments);
  else
    state->native->run(absl::MakeSpan(arguments));
}
