// Times the kernels of a whole model with random weights, as `model.py` prepares it: a model larger
// than what can be moved to the machine with the GPU is filled there.
//
//   stc-gpu-model FOLDER [decode=64] [position=16,1024,4000]
//
// Weights are random codes of the layouts the compiler chose, packed as a model's are; rows of one
// matrix repeat after 256, which memory does not notice.
#include "stc/Packing/Pack.h"
#include "stc/Runtime/Gpu/CudaDevice.h"
#include "stc/Support/Float.h"

#include "GpuCases.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace stc;

namespace {

class ModelBench {
public:
  explicit ModelBench(std::string folder) : folder(std::move(folder)) {}
  absl::Status run();

private:
  absl::Status fill(const Words &weight);
  absl::StatusOr<double> decodeTime(int64_t position, int64_t tokens);
  absl::StatusOr<std::vector<float>> logitsAt(int64_t position);

  std::string folder;
  std::unique_ptr<GpuDevice> device;
  GpuProgram program;
  Words model;
  StcFrame frame = {};
  GpuMemory weights, arena, keys, values, hidden, logits, tokens, sync;
  std::map<std::string, std::vector<uint8_t>> packedRows; // by layout and columns
};

/// Random contents for one weight: 256 rows of it, over and over.
absl::Status ModelBench::fill(const Words &weight) {
  Layout layout = layoutOf(weight);
  int64_t rows = number(weight, "rows"), columns = number(weight, "columns");
  uint64_t offset = uint64_t(number(weight, "offset"));
  int64_t some = std::min<int64_t>(rows, 256);
  std::vector<uint8_t> &bytes =
      packedRows[absl::StrCat(layout.str(), " ", columns, " ", some, rows == 1 ? " norm" : "")];
  std::mt19937 random{uint32_t(columns + some)};
  if (bytes.empty() && layout.isQuantized()) {
    QuantizedMatrix matrix = randomMatrix(layout, some, columns, 0.5, random);
    for (uint16_t &scale : matrix.scales)
      scale = floatToHalf(0.004f / float(layout.zeroPoint()));
    STC_ASSIGN_OR_RETURN(bytes, packQuantized(layout, matrix));
  } else if (bytes.empty()) {
    std::vector<float> numbers(size_t(some * columns));
    for (float &value : numbers)
      value = rows == 1 ? 1 : (float(random() % 2001) - 1000) / 20000;
    STC_ASSIGN_OR_RETURN(bytes, packFloats(layout, some, columns, numbers));
  }
  if (layout.hasTable())
    return absl::UnimplementedError(absl::StrCat(layout.str(), ": tiles of different sizes"));
  uint64_t used = bytes.size() - kTailSlack, total = uint64_t(number(weight, "bytes"));
  for (uint64_t at = 0; at + kTailSlack < total; at += used)
    STC_RETURN_IF_ERROR(device->upload(weights.address() + offset + at, bytes.data(),
                                       std::min(used, total - kTailSlack - at)));
  return device->synchronize();
}

absl::StatusOr<double> ModelBench::decodeTime(int64_t position, int64_t count) {
  std::vector<double> times;
  for (int64_t i = 0; i < count + 4; ++i) {
    StcFrame one = frame;
    one.n_tokens = 1;
    one.position = position + i;
    STC_ASSIGN_OR_RETURN(double seconds,
                         device->measure([&] { return device->launch(program.decode, one); }));
    if (i >= 4)
      times.push_back(seconds);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

absl::StatusOr<std::vector<float>> ModelBench::logitsAt(int64_t position) {
  std::vector<float> result(size_t(number(model, "vocabulary")), NAN);
  STC_RETURN_IF_ERROR(device->upload(logits.address(), result.data(), result.size() * 4));
  StcFrame one = frame;
  one.n_tokens = 1;
  one.position = position;
  STC_RETURN_IF_ERROR(device->launch(program.decode, one));
  STC_RETURN_IF_ERROR(device->download(result.data(), logits.address(), result.size() * 4));
  STC_RETURN_IF_ERROR(device->synchronize());
  return result;
}

absl::Status ModelBench::run() {
  STC_ASSIGN_OR_RETURN(CudaDriver driver, CudaDriver::load());
  STC_ASSIGN_OR_RETURN(device, CudaDevice::open(driver, 0));
  STC_ASSIGN_OR_RETURN(double copyRate, measureCopy(*device));
  std::vector<Words> lines = readWords(folder + "/model.txt");
  model = lines.front();
  std::string code = readFile(folder + "/model.cubin");
  StcGpuImage image = cubinImage(code, model);
  STC_ASSIGN_OR_RETURN(program, device->load(image, {}, 1u << 20));

  struct {
    GpuMemory &memory;
    const char *name;
  } parts[] = {{weights, "weights"}, {arena, "arena"},   {keys, "keys"},
               {values, "values"},   {hidden, "hidden"}, {logits, "logits"}};
  for (auto &part : parts) {
    uint64_t bytes = uint64_t(number(model, part.name));
    STC_ASSIGN_OR_RETURN(part.memory, GpuMemory::allocate(*device, bytes, part.name));
    STC_RETURN_IF_ERROR(device->zero(part.memory.address(), bytes));
  }
  int64_t chunk = number(model, "chunk");
  STC_ASSIGN_OR_RETURN(tokens, GpuMemory::allocate(*device, uint64_t(chunk) * 4, "tokens"));
  STC_ASSIGN_OR_RETURN(sync, GpuMemory::allocate(*device, 64, "barrier"));
  STC_RETURN_IF_ERROR(device->zero(sync.address(), 64));
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < chunk; ++i)
    ids.push_back(int32_t((i * 7919 + 13) % number(model, "vocabulary")));
  STC_RETURN_IF_ERROR(device->upload(tokens.address(), ids.data(), ids.size() * 4));
  STC_RETURN_IF_ERROR(device->synchronize());
  uint64_t perToken = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    STC_RETURN_IF_ERROR(fill(lines[i]));
    if (lines[i].count("gathered") == 0)
      perToken += uint64_t(number(lines[i], "bytes"));
  }
  frame.weights = weights.data();
  frame.arena = arena.data();
  frame.key_cache = keys.data();
  frame.value_cache = values.data();
  frame.tokens = reinterpret_cast<const int32_t *>(tokens.data());
  frame.hidden = reinterpret_cast<float *>(hidden.data());
  frame.logits = reinterpret_cast<float *>(logits.data());
  frame.sync = sync.data();

  std::printf("%s: %.2f GB of weights per token, %u blocks of %u threads, %u bytes shared\n",
              text(model, "name").c_str(), double(perToken) * 1e-9, program.decode.blocks,
              program.decode.blockThreads, program.decode.sharedBytes);
  int64_t capacity = number(model, "capacity");
  // Two of these are the most tokens that have code of its own (`packed-specialize-token-counts`).
  for (int64_t count : {int64_t(8), int64_t(64), int64_t(256), chunk}) {
    if (count > chunk)
      continue;
    std::vector<double> times;
    for (int i = 0; i < 5; ++i) {
      StcFrame many = frame;
      many.n_tokens = count;
      STC_ASSIGN_OR_RETURN(double seconds, device->measure([&] {
        return device->launch(program.prefillOf(count), many);
      }));
      times.push_back(seconds);
    }
    std::sort(times.begin(), times.end());
    std::printf("prefill %4ld tokens: %9.3f ms  %9.0f tokens/s\n", long(count), times[2] * 1e3,
                double(count) / times[2]);
    std::fflush(stdout);
  }
  STC_ASSIGN_OR_RETURN(std::vector<float> first, logitsAt(std::min(chunk, capacity - 1)));
  for (int i = 0; i < 3; ++i) {
    STC_ASSIGN_OR_RETURN(std::vector<float> again, logitsAt(std::min(chunk, capacity - 1)));
    if (std::memcmp(first.data(), again.data(), first.size() * 4) != 0 ||
        !std::all_of(first.begin(), first.end(), [](float x) { return std::isfinite(x); }))
      return absl::InternalError("logits differ from run to run, or are no numbers");
  }
  for (int64_t position : {int64_t(16), int64_t(1000), capacity - 80}) {
    if (position + 70 > capacity)
      continue;
    STC_ASSIGN_OR_RETURN(double seconds, decodeTime(position, 60));
    std::printf("decode at %5ld: %8.3f ms  %7.1f tokens/s  %6.0f GB/s of weights  %5.1f %% of "
                "copy\n",
                long(position), seconds * 1e3, 1 / seconds, double(perToken) / seconds * 1e-9,
                100 * double(perToken) / seconds / copyRate);
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 1;
  }
  absl::Status status = ModelBench(argv[1]).run();
  if (!status.ok())
    std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
