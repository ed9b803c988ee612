// Guarded memory, and kernels that run here or under an emulator.
#include "KernelHarness.h"

#include "stc/Support/Error.h"
#include "stc/Target/CPU/Passes.h"

#include "mlir/Transforms/Passes.h"
#include "llvm/Support/ErrorHandling.h"

#include <map>
#include <sys/mman.h>
#include <unistd.h>

using namespace stc;

/// What `passes` of CompiledKernel::create may name.
static const bool registered = [] {
  mlir::registerTransformsPasses();
  registerTargetCPUPasses();
  return true;
}();

/// Where guarded memory begins, and how large it is.
static std::map<const void *, size_t> &guardedMemory() {
  static std::map<const void *, size_t> memory;
  return memory;
}

GuardedBytes::GuardedBytes(size_t size) {
  size_t page = sysconf(_SC_PAGESIZE);
  size_t pages = (size + page - 1) / page * page;
  mapped = pages + page;
  mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    llvm::report_fatal_error("out of memory");
  mprotect(static_cast<char *>(mapping) + pages, page, PROT_NONE);
  begin = static_cast<char *>(mapping) + pages - size;
  guardedMemory()[begin] = size;
}

GuardedBytes::~GuardedBytes() {
  guardedMemory().erase(begin);
  munmap(mapping, mapped);
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
