// OpenCL as the system has it, and SPIR-V by llvm-spirv where its driver takes none: that of PoCL
// in Debian 12 is built without. As it does not finish compiling threads that wait for each other,
// OpenClWorkItems.cpp makes one of a block's, in the order of STC_OPENCL_ORDER. Nothing of the
// interface is pretended but the functions below. All others are found in the library behind this
// one.
#include "stc/Runtime/Gpu/OpenClTypes.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace stc::opencl;

namespace {

template <typename Function> Function real(const char *name) {
  static void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<Function>(dlsym(library, name));
}

enum Opcode : uint32_t {
  TypeBool = 20,
  TypeInt = 21,
  TypeFloat = 22,
  ConstantFalse = 42,
  Constant = 43,
  ConstantNull = 46
};

/// llvm-spirv 15 asserts that null constants are no scalars: zeros and false instead.
std::vector<uint32_t> withoutNulls(const uint32_t *words, size_t count) {
  constexpr size_t header = 5;
  std::vector<uint32_t> result(words, words + header);
  std::map<uint32_t, uint32_t> scalars; // types: the words of a constant, 0 for bool
  for (size_t at = header; at < count;) {
    uint32_t length = words[at] >> 16, opcode = words[at] & 0xFFFF;
    if (length == 0 || at + length > count)
      return {};
    const uint32_t *operands = words + at + 1;
    if (opcode == TypeBool)
      scalars[operands[0]] = 0;
    else if (opcode == TypeInt || opcode == TypeFloat)
      scalars[operands[0]] = operands[1] > 32 ? 2 : 1;
    auto type = opcode == ConstantNull ? scalars.find(operands[0]) : scalars.end();
    if (type == scalars.end()) {
      result.insert(result.end(), words + at, words + at + length);
    } else {
      result.push_back((3 + type->second) << 16 | (type->second ? Constant : ConstantFalse));
      result.insert(result.end(), {operands[0], operands[1]});
      result.insert(result.end(), type->second, 0);
    }
    at += length;
  }
  return result;
}

/// Runs a program with up to four arguments; whether it succeeded.
bool execute(const char *program, const char *first, const char *second, const char *third,
             const char *fourth = nullptr) {
  pid_t child = fork();
  if (child == 0) {
    execl(program, program, first, second, third, fourth, nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status == 0;
}

/// LLVM bitcode of the module, empty if a program fails.
std::string translate(const std::vector<uint32_t> &module) {
  char folder[] = "/tmp/stc-spirv-XXXXXX";
  if (!mkdtemp(folder))
    return {};
  std::string input = std::string(folder) + "/module.spv", threads = input + ".threads.bc",
              output = input + ".bc", bytes;
  if (FILE *file = std::fopen(input.c_str(), "wb")) {
    std::fwrite(module.data(), sizeof(uint32_t), module.size(), file);
    std::fclose(file);
  }
  const char *order = std::getenv("STC_OPENCL_ORDER");
  bool translated =
      execute(STC_LLVM_SPIRV, "-r", input.c_str(), "-o", threads.c_str()) &&
      execute(STC_OPENCL_WORK_ITEMS, threads.c_str(), output.c_str(), order ? order : "0");
  if (FILE *file = translated ? std::fopen(output.c_str(), "rb") : nullptr) {
    char piece[1 << 16];
    while (size_t size = std::fread(piece, 1, sizeof(piece), file))
      bytes.append(piece, size);
    std::fclose(file);
  }
  for (const std::string &file : {input, threads, output})
    unlink(file.c_str());
  rmdir(folder);
  return bytes;
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) Result
clGetDeviceInfo(Device device, uint32_t info, size_t bytes, void *value, size_t *size) {
  constexpr char language[] = "SPIR-V_1.2";
  if (info != IlVersion) {
    using Function = Result (*)(Device, uint32_t, size_t, void *, size_t *);
    return real<Function>("clGetDeviceInfo")(device, info, bytes, value, size);
  }
  if (value && bytes >= sizeof(language))
    std::memcpy(value, language, sizeof(language));
  if (size)
    *size = sizeof(language);
  return Success;
}

__attribute__((visibility("default"))) Program
clCreateProgramWithIL(Context context, const void *bytes, size_t size, Result *result) {
  constexpr uint32_t contextDevices = 0x1081;
  using Info = Result (*)(Context, uint32_t, size_t, void *, size_t *);
  using Create = Program (*)(Context, uint32_t, const Device *, const size_t *,
                             const unsigned char **, Result *, Result *);
  std::vector<uint32_t> words(size / sizeof(uint32_t));
  std::memcpy(words.data(), bytes, words.size() * sizeof(uint32_t));
  Device device = nullptr;
  *result =
      real<Info>("clGetContextInfo")(context, contextDevices, sizeof(device), &device, nullptr);
  std::string bitcode;
  constexpr uint32_t magic = 0x07230203;
  if (words.size() > 5 && words[0] == magic)
    bitcode = translate(withoutNulls(words.data(), words.size()));
  if (bitcode.empty())
    *result = InvalidValue;
  if (*result != Success)
    return nullptr;
  const auto *data = reinterpret_cast<const unsigned char *>(bitcode.data());
  size_t length = bitcode.size();
  return real<Create>("clCreateProgramWithBinary")(context, 1, &device, &length, &data, nullptr,
                                                   result);
}

__attribute__((visibility("default"))) Result
clEnqueueNDRangeKernel(Queue queue, Kernel kernel, uint32_t dimensions, const size_t *offset,
                       const size_t *threads, const size_t *blockThreads, uint32_t waits,
                       const Event *events, Event *event) {
  using Function = Result (*)(Queue, Kernel, uint32_t, const size_t *, const size_t *,
                              const size_t *, uint32_t, const Event *, Event *);
  // One thread goes through a block.
  size_t blocks = *threads / *blockThreads, one = 1;
  return real<Function>("clEnqueueNDRangeKernel")(queue, kernel, dimensions, offset, &blocks, &one,
                                                  waits, events, event);
}

} // extern "C"
