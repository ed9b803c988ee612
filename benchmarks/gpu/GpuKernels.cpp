// Checks and times generated GPU kernels one by one: matrices of random codes, packed as a model's
// are, times random activations. `kernels.py` writes the folder of cases this program takes.
//
// Every case is run on integer data first (scales that are powers of two), where results are exact
// whatever the order of sums, and then timed: a launch multiplies by `copies` matrices in turn, at
// different addresses, so that no cache holds them.
#include "GpuCases.h"
#include "GpuLibraries.h"

#include "stc/Packing/Pack.h"
#include "stc/Runtime/Gpu/CudaDevice.h"
#include "stc/Runtime/ModelABI.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <future>
#include <random>

using namespace stc;

namespace {

/// Activations as packed.quantize_activations would give them, with scales that are powers of two.
struct Activations {
  std::vector<uint8_t> arena; // codes, scales and sums (or floats) at the case's offsets
  std::vector<float> values;  // [tokens][columns]
};

Activations randomActivations(const Words &entry, const Layout &layout, std::mt19937 &random) {
  int64_t tokens = number(entry, "tokens"), columns = number(entry, "columns");
  Activations result;
  result.arena.resize(size_t(number(entry, "arena")));
  result.values.resize(size_t(tokens * columns));
  uint8_t *base = result.arena.data();
  // Kernels that round or split activations begin with that.
  if (!layout.isQuantized() || number(entry, "narrow") != 0) {
    for (size_t i = 0; i < result.values.size(); ++i)
      result.values[i] = float(int(random() % 17) - 8);
    std::memcpy(base, result.values.data(), result.values.size() * sizeof(float));
    return result;
  }
  // Columns of a scale: a group of the layout's, or all of them.
  int64_t group = number(entry, "input_group");
  int64_t groups = (columns + group - 1) / group, padded = groups * group;
  auto *scales = reinterpret_cast<float *>(base + number(entry, "scales"));
  auto *sums = reinterpret_cast<int32_t *>(base + number(entry, "sums"));
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t g = 0; g < groups; ++g) {
      float scale = std::ldexp(1.0f, -int(random() % 3));
      int32_t sum = 0;
      for (int64_t column = g * group; column < (g + 1) * group; ++column) {
        int code = column < columns ? int(random() % 255) - 127 : 0;
        sum += code;
        base[token * padded + column] = uint8_t(code + layout.activationOffset());
        if (column < columns)
          result.values[size_t(token * columns + column)] = float(code) * scale;
      }
      scales[token * groups + g] = scale;
      sums[token * groups + g] = sum * int32_t(layout.sumFactor());
    }
  return result;
}

/// What a case multiplies, and what must come of it.
struct Inputs {
  std::vector<uint8_t> weights; // packed
  std::vector<float> dense;     // the same, [rows][columns]
  Activations activations;
  absl::Status status;
};

Inputs makeInputs(const Words &entry, int round) {
  Layout layout = layoutOf(entry);
  int64_t rows = number(entry, "rows"), columns = number(entry, "columns");
  double density = double(number(entry, "density")) / 1000;
  std::mt19937 random(uint32_t(number(entry, "seed") * 1009 + round));
  Inputs inputs;
  absl::StatusOr<std::vector<uint8_t>> packed;
  if (layout.isQuantized()) {
    QuantizedMatrix matrix = randomMatrix(layout, rows, columns, density, random);
    packed = packQuantized(layout, matrix);
    inputs.dense = dequantize(matrix);
  } else {
    inputs.dense = randomFloats(layout, rows, columns, density, random);
    packed = packFloats(layout, rows, columns, inputs.dense);
  }
  inputs.status = packed.status();
  if (packed.ok())
    inputs.weights = std::move(*packed);
  inputs.activations = randomActivations(entry, layout, random);
  return inputs;
}

/// How many of the results [tokens][rows] differ from sums in double, and by how much.
struct Verdict {
  int64_t wrong = 0;
  double worst = 0;

  // Sums of many columns pass 2^24 units; then they are rounded.
  bool isRight() const { return wrong == 0 || worst < 1e-5; }
  std::string text() const {
    return wrong == 0  ? "exact"
           : isRight() ? "rounded"
                       : absl::StrCat("WRONG ", wrong, " (", worst, ")");
  }
};

Verdict judge(const Words &entry, const Inputs &inputs, const std::vector<float> &results) {
  int64_t rows = number(entry, "rows"), columns = number(entry, "columns");
  int64_t tokens = number(entry, "tokens");
  // Large results are checked at every 17th row, the largest at every 257th.
  int64_t products = rows * columns * tokens;
  int64_t every = products > (int64_t(1) << 34) ? 257 : products > (int64_t(1) << 26) ? 17 : 1;
  std::vector<Verdict> verdicts(static_cast<size_t>(tokens));
  parallelFor(tokens, [&](int64_t token) {
    Verdict &verdict = verdicts[size_t(token)];
    const float *x = &inputs.activations.values[size_t(token * columns)];
    for (int64_t row = 0; row < rows; row += every) {
      const float *weights = &inputs.dense[size_t(row * columns)];
      double sum = 0;
      for (int64_t column = 0; column < columns; ++column)
        sum += double(weights[column]) * double(x[column]);
      float got = results[size_t(token * rows + row)];
      if (got == float(sum))
        continue;
      ++verdict.wrong;
      double error = std::abs(got - sum) / std::max(1.0, std::abs(sum));
      verdict.worst = std::isfinite(error) ? std::max(verdict.worst, error) : INFINITY;
    }
  });
  Verdict all;
  for (const Verdict &verdict : verdicts) {
    all.wrong += verdict.wrong;
    all.worst = std::max(all.worst, verdict.worst);
  }
  return all;
}

class Bench {
public:
  explicit Bench(std::string folder) : folder(std::move(folder)) {}
  absl::Status run(int seeds, bool timing);

private:
  absl::Status runCase(const Words &entry, std::vector<std::future<Inputs>> inputs, bool timing);

  std::string folder;
  std::unique_ptr<GpuDevice> device;
  double copyRate = 0; // bytes per second, read and written
  std::unique_ptr<GpuLibraries> libraries;
  int failures = 0, checked = 0;
};

absl::Status Bench::runCase(const Words &entry, std::vector<std::future<Inputs>> inputs,
                            bool timing) {
  std::string code = readFile(folder + "/" + text(entry, "image"));
  StcGpuImage image = cubinImage(code, entry);
  STC_ASSIGN_OR_RETURN(GpuProgram program,
                       device->load(image, {}, unsigned(device->properties().multiprocessors)));

  int64_t rows = number(entry, "rows"), columns = number(entry, "columns");
  int64_t tokens = number(entry, "tokens"), copies = number(entry, "copies");
  uint64_t stride = uint64_t(number(entry, "stride"));

  STC_ASSIGN_OR_RETURN(GpuMemory weights,
                       GpuMemory::allocate(*device, stride * uint64_t(copies), "weights"));
  STC_ASSIGN_OR_RETURN(GpuMemory arena,
                       GpuMemory::allocate(*device, uint64_t(number(entry, "arena")), "arena"));
  uint64_t outBytes = uint64_t(tokens * rows) * sizeof(float);
  STC_ASSIGN_OR_RETURN(GpuMemory out, GpuMemory::allocate(*device, outBytes, "results"));
  STC_ASSIGN_OR_RETURN(GpuMemory sync, GpuMemory::allocate(*device, 64, "the barrier"));
  STC_RETURN_IF_ERROR(device->zero(sync.address(), 64));
  StcFrame frame = {};
  frame.weights = weights.data();
  frame.arena = arena.data();
  frame.n_tokens = tokens;
  frame.logits = reinterpret_cast<float *>(out.data());
  frame.hidden = reinterpret_cast<float *>(out.data());
  frame.sync = sync.data();
  const GpuFunction &function = tokens > 1 ? program.prefill : program.decode;

  Verdict verdict;
  uint64_t weightBytes = 0;
  for (std::future<Inputs> &future : inputs) {
    Inputs input = future.get();
    STC_RETURN_IF_ERROR(input.status);
    weightBytes = input.weights.size();
    if (weightBytes > stride)
      return absl::InternalError(absl::StrCat("the matrix takes ", weightBytes, " bytes"));
    const std::vector<uint8_t> &x = input.activations.arena;
    STC_RETURN_IF_ERROR(device->upload(arena.address(), x.data(), x.size()));
    STC_RETURN_IF_ERROR(device->upload(weights.address(), input.weights.data(), weightBytes));
    for (int64_t copy = 1; copy < copies; ++copy)
      STC_RETURN_IF_ERROR(device->copy(weights.address() + stride * uint64_t(copy),
                                       weights.address(), weightBytes));
    STC_RETURN_IF_ERROR(device->synchronize());
    std::vector<float> results(size_t(tokens * rows), NAN);
    STC_RETURN_IF_ERROR(device->upload(out.address(), results.data(), outBytes));
    STC_RETURN_IF_ERROR(device->launch(function, frame));
    STC_RETURN_IF_ERROR(device->download(results.data(), out.address(), outBytes));
    STC_RETURN_IF_ERROR(device->synchronize());
    verdict = judge(entry, input, results);
    ++checked;
    if (!verdict.isRight()) {
      ++failures;
      break;
    }
  }
  if (!timing) {
    if (!verdict.isRight())
      std::printf("%-44s %s\n", text(entry, "name").c_str(), verdict.text().c_str());
    return absl::OkStatus();
  }
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) {
    STC_ASSIGN_OR_RETURN(double seconds,
                         device->measure([&] { return device->launch(function, frame); }));
    if (i >= 3)
      times.push_back(seconds);
  }
  std::sort(times.begin(), times.end());
  double seconds = times[times.size() / 2] / double(copies);
  double rate = double(weightBytes) / seconds;
  std::printf("%-44s %-8s %9.2f us  %7.0f GB/s  %5.1f %% of copy  %7.2f Tops/s  %u x %u\n",
              text(entry, "name").c_str(), verdict.text().c_str(), seconds * 1e6, rate * 1e-9,
              100 * rate / copyRate, 2e-12 * double(rows * columns * tokens) / seconds,
              function.blocks, function.blockThreads);
  libraries->compare(layoutOf(entry), rows, columns, tokens, seconds);
  return absl::OkStatus();
}

absl::Status Bench::run(int seeds, bool timing) {
  STC_ASSIGN_OR_RETURN(CudaDriver driver, CudaDriver::load());
  STC_ASSIGN_OR_RETURN(device, CudaDevice::open(driver, 0));
  if (timing) {
    STC_ASSIGN_OR_RETURN(copyRate, measureCopy(*device));
    libraries = std::make_unique<GpuLibraries>(*device, driver);
  }
  // Other processors make the matrices of the next cases: that takes longer than multiplying them.
  std::vector<Words> entries = readWords(folder + "/cases.txt");
  size_t ahead = size_t(std::max(1, parallelThreads() - 2)), begun = 0;
  std::vector<std::vector<std::future<Inputs>>> inputs(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    for (; begun < std::min(entries.size(), i + ahead); ++begun)
      for (int round = 0; round < seeds; ++round)
        inputs[begun].push_back(
            std::async(std::launch::async, makeInputs, std::cref(entries[begun]), round));
    absl::Status status = runCase(entries[i], std::move(inputs[i]), timing);
    if (!status.ok()) {
      ++failures;
      std::printf("%-44s FAILED: %s\n", text(entries[i], "name").c_str(),
                  std::string(status.message()).c_str());
      if (status.message().find("CUDA_ERROR") != std::string::npos)
        return status;
    }
    std::fflush(stdout);
  }
  std::printf("%d cases checked, %d failed\n", checked, failures);
  return failures ? absl::InternalError("some kernels are wrong") : absl::OkStatus();
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [check SEEDS]\n", argv[0]);
    return 1;
  }
  bool timing = argc < 3;
  int seeds = argc > 3 ? std::atoi(argv[3]) : 1;
  absl::Status status = Bench(argv[1]).run(seeds, timing);
  if (!status.ok())
    std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
