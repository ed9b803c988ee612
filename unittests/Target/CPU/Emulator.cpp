// Runs kernels for other architectures under qemu's user emulation, buffers and guard pages
// included. No library of the other architecture is needed: see EmulatedStart.c.
#include "KernelHarness.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace stc;

namespace {

/// A file that is removed when it is no longer needed.
class TemporaryFile {
public:
  TemporaryFile() {
    if (llvm::sys::fs::createTemporaryFile("stc-kernel", "", path))
      llvm::report_fatal_error("no temporary file");
  }
  ~TemporaryFile() { llvm::sys::fs::remove(path); }
  TemporaryFile(const TemporaryFile &) = delete;
  void write(llvm::StringRef bytes) const {
    std::error_code error;
    llvm::raw_fd_ostream(path, error) << bytes;
    if (error)
      llvm::report_fatal_error("a temporary file cannot be written");
  }
  std::string read() const {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : "";
  }
  std::string name() const { return std::string(path.str()); }

private:
  llvm::SmallString<128> path;
};

/// The emulator of an architecture, its arguments, and the start-up object for it.
struct Machine {
  const char *emulator;
  std::vector<std::string> options;
  std::string start;
  uint64_t vectorBits = 0; // that the code is for, where it is for one length only
};

Machine machineOf(const cpu::TargetDescription &target) {
  if (target.isArm()) {
    Machine machine = {
        STC_QEMU_AARCH64, {"-cpu", "max"}, STC_EMULATED_START_DIR "/start-aarch64.o"};
    if (target.hasLongVectors()) {
      machine.vectorBits = target.vectorBits;
      absl::StrAppend(&machine.options[1], ",sve-default-vector-length=", target.vectorBits / 8);
    }
    return machine;
  }
  if (!target.isRiscv())
    return {"", {}, ""};
  // A processor with what the target asks for and nothing else, so that more is noticed.
  std::string cpu = "rv64,zba=false,zbb=false,zbc=false,zbs=false";
  if (target.has("v"))
    absl::StrAppend(&cpu, ",v=true,vext_spec=v1.0,vlen=", target.vectorBits);
  if (target.has("zfh") || target.has("zfhmin"))
    absl::StrAppend(&cpu, ",Zfh=true");
  for (const char *feature : {"zba", "zbb", "zbs"})
    if (target.has(feature))
      absl::StrAppend(&cpu, ",", feature, "=true");
  return {STC_QEMU_RISCV64, {"-cpu", cpu}, STC_EMULATED_START_DIR "/start-riscv64.o"};
}

class EmulatedKernel final : public ForeignKernel {
public:
  explicit EmulatedKernel(Machine machine) : machine(std::move(machine)) {}
  void run(llvm::MutableArrayRef<Argument> arguments) const override;
  Machine machine;
  TemporaryFile program;
};

void appendWord(std::string &text, uint64_t word) {
  text.append(reinterpret_cast<const char *>(&word), sizeof word);
}

void EmulatedKernel::run(llvm::MutableArrayRef<Argument> arguments) const {
  std::vector<GuardedBytes::Range> buffers;
  std::string words;
  for (Argument &argument : arguments) {
    std::vector<int64_t> values = argument.words();
    // Both pointers of a descriptor, or an address.
    auto range = GuardedBytes::find(reinterpret_cast<const void *>(values[0]));
    uint64_t pointers = range ? std::min<size_t>(values.size(), 2) : 0;
    if (!range && values.size() > 1)
      llvm::report_fatal_error("a descriptor of memory that is not guarded");
    appendWord(words, values.size());
    appendWord(words, pointers);
    uint64_t index = 0;
    if (range) {
      auto same = [&](const GuardedBytes::Range &other) { return other.begin == range->begin; };
      index = llvm::find_if(buffers, same) - buffers.begin();
      if (index == buffers.size())
        buffers.push_back(*range);
    }
    for (auto [i, value] : llvm::enumerate(values))
      appendWord(words, i < pointers ? index : static_cast<uint64_t>(value));
  }
  std::string input;
  appendWord(input, machine.vectorBits);
  appendWord(input, buffers.size());
  appendWord(input, arguments.size());
  for (const GuardedBytes::Range &buffer : buffers)
    appendWord(input, buffer.size);
  for (const GuardedBytes::Range &buffer : buffers)
    input.append(static_cast<const char *>(buffer.begin), buffer.size);
  input += words;

  TemporaryFile in, out;
  in.write(input);
  std::vector<std::string> command{machine.emulator};
  command.insert(command.end(), machine.options.begin(), machine.options.end());
  command.push_back(program.name());
  std::vector<llvm::StringRef> views(command.begin(), command.end());
  std::string inName = in.name(), outName = out.name(), message;
  std::optional<llvm::StringRef> redirects[] = {inName, outName, std::nullopt};
  int status = llvm::sys::ExecuteAndWait(machine.emulator, views, std::nullopt, redirects,
                                         /*SecondsToWait=*/60, 0, &message);
  std::string results = out.read();
  size_t at = 0;
  for (const GuardedBytes::Range &buffer : buffers) {
    if (status != 0 || at + buffer.size > results.size()) {
      ADD_FAILURE() << "emulated kernel failed with status " << status << " " << message;
      return;
    }
    // What the kernel left alone may be write-protected.
    if (std::memcmp(buffer.begin, results.data() + at, buffer.size) != 0)
      std::memcpy(buffer.begin, results.data() + at, buffer.size);
    at += buffer.size;
  }
}

/// qemu 7.2 aborts where vfcvt.rtz.x.f.v follows another instruction with a rounding mode of its
/// own. What generated code converts is rounded already, so that vfcvt.x.f.v gives the same.
std::string avoidRoundingModes(std::string object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "kernel"));
  if (!file)
    llvm::report_fatal_error(file.takeError());
  for (const llvm::object::SectionRef &section : (*file)->sections()) {
    llvm::StringRef code = section.isText() ? cantFail(section.getContents()) : "";
    size_t base = code.data() - object.data();
    for (size_t at = 0; at + 4 <= code.size();) {
      uint32_t word = llvm::support::endian::read32le(object.data() + base + at);
      if ((word & 3) != 3) { // a compressed instruction
        at += 2;
        continue;
      }
      // funct6 010010, any vm and vs2, vs1 00111, OPFVV.
      if ((word & 0xFC0FF07F) == 0x48039057)
        llvm::support::endian::write32le(object.data() + base + at, word & ~(uint32_t(6) << 15));
      at += 4;
    }
  }
  return object;
}

class QemuEmulator final : public Emulator {
public:
  bool canRun(const cpu::TargetDescription &target) const override {
    return llvm::sys::fs::can_execute(machineOf(target).emulator);
  }

  absl::StatusOr<std::unique_ptr<ForeignKernel>>
  load(const std::string &object, const cpu::TargetDescription &target) const override {
    auto kernel = std::make_unique<EmulatedKernel>(machineOf(target));
    TemporaryFile objectFile;
    objectFile.write(target.isRiscv() ? avoidRoundingModes(object) : object);
    std::string objectName = objectFile.name(), program = kernel->program.name(), message;
    llvm::StringRef arguments[] = {STC_LLD,   "--static", "-o", program, kernel->machine.start,
                                   objectName};
    if (llvm::sys::ExecuteAndWait(STC_LLD, arguments, std::nullopt, {}, 0, 0, &message) != 0)
      return absl::InternalError("an emulated kernel does not link " + message);
    return kernel;
  }
};

} // namespace

Emulator *stc::theEmulator() {
  static QemuEmulator emulator;
  return &emulator;
}
