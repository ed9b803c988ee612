// Speed of one generated matrix multiplication, next to what the machine's memory delivers:
//   stc-kernel-benchmark LAYOUT ROWSxCOLUMNS [tokens=1] [threads=1] [accumulators=A] [at-once=T]
//                        [prefetch=P] [megabytes=640] [density=0.5] [target=native] [seconds=6]
//                        [--json]
// LAYOUT: dense-f32, dense-bf16, dense-int4-g32, dense-int3-g128-asym, bitmap-int8-g128,
// 2:4-int4-g32, 4:16-pairs-int4-g128, block-int4-g128 ...
#include "../unittests/Target/CPU/KernelHarness.h"

#include "stc/Packing/Pack.h"
#include "stc/Runtime/MachineProbe.h"
#include "stc/Target/Autotune/MatmulText.h"
#include "stc/Target/Autotune/RandomWeights.h"
#include "stc/Target/CPU/LoweringConfig.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <sys/mman.h>
#include <thread>

using namespace stc;

namespace {

struct Options {
  Layout layout;
  int64_t rows = 0, columns = 0;
  std::map<std::string, double> numbers = {
      {"tokens", 1},      {"threads", 1},   {"accumulators", 0}, {"at-once", 0}, {"prefetch", -1},
      {"megabytes", 640}, {"density", 0.5}, {"seconds", 6},      {"streams", 1}, {"level", 2}};
  std::string target = "native";
  bool json = false;

  int64_t get(const char *name) const { return int64_t(numbers.at(name)); }
};

/// KIND-ELEMENT[-gGROUP|-row][-asym|-min] as Layout::str() writes it, with pairs as
/// N:16-pairs-int4-gGROUP.
bool parseLayout(const std::string &text, Options &options) {
  for (LayoutKind kind : {LayoutKind::Dense, LayoutKind::Bitmap, LayoutKind::NM, LayoutKind::Pairs,
                          LayoutKind::Block})
    for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16,
                                ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
      for (int64_t group : {0, 16, 32, 64, 128})
        for (int flags = 0; flags < 8; ++flags) {
          Layout &layout = options.layout;
          layout = {kind, element, group};
          layout.asymmetric = flags & 1;
          layout.perRow = flags & 2;
          layout.minimums = flags & 4;
          if (kind == LayoutKind::NM || kind == LayoutKind::Pairs)
            if (std::sscanf(text.c_str(), "%ld:%ld", &layout.n, &layout.m) != 2)
              continue;
          if (verifyLayout(layout).ok() && layout.str() == text)
            return true;
        }
  return false;
}

bool parseOptions(int argc, char **argv, Options &options) {
  if (argc < 3 || !parseLayout(argv[1], options) ||
      std::sscanf(argv[2], "%ldx%ld", &options.rows, &options.columns) != 2)
    return false;
  for (int i = 3; i < argc; ++i) {
    std::pair<std::string, std::string> option = absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    if (option.first == "--json")
      options.json = true;
    else if (option.first == "target")
      options.target = option.second;
    else if (!options.numbers.count(option.first) ||
             !absl::SimpleAtod(option.second, &options.numbers[option.first]))
      return false;
  }
  return true;
}

/// The multiplication, with split activations where the target takes them.
absl::StatusOr<MatmulText> textOf(const Options &options) {
  auto target = cpu::TargetDescription::parse(options.target);
  if (!target.ok())
    return target.status();
  int64_t tokens = options.get("tokens");
  return MatmulText{options.layout, options.rows, options.columns, absl::StrCat(tokens),
                    cpu::takesSplitActivations(options.layout, tokens, *target)};
}

/// The parallel loop's body over the row tiles [%begin, %end).
absl::StatusOr<std::unique_ptr<CompiledKernel>> compile(const Options &options,
                                                        const MatmulText &text) {
  int64_t atOnce = options.get("at-once") ? options.get("at-once") : 1;
  int64_t accumulators = options.get("accumulators") ? options.get("accumulators") : 4;
  int64_t prefetch = options.get("prefetch") < 0 ? 8192 : options.get("prefetch");
  int64_t streams = options.get("streams");
  return CompiledKernel::create(
      absl::StrCat(text.parameters(), ", %begin: index, %end: index"),
      absl::StrCat("%step = arith.constant ", streams,
                   " : index\n scf.for %i = %begin to %end step %step {\n",
                   "packed.matmul_tile %i ", text.operands(), " config <tokens = ", atOnce,
                   ", accumulators = ", accumulators, ", prefetch = ", prefetch,
                   ", level = ", options.get("level"), ", row_tiles = ", streams,
                   ", streams = ", streams, ">\n}"),
      options.target);
}

/// Runs `work(thread)` on all threads at once; returns the seconds from the first's begin to the
/// last's end.
template <typename Work> double runOnce(int64_t threads, Work work) {
  using Clock = std::chrono::steady_clock;
  std::atomic<int64_t> ready{0};
  std::vector<std::thread> pool;
  std::vector<Clock::time_point> ends(threads), begins(threads);
  for (int64_t thread = 0; thread < threads; ++thread)
    pool.emplace_back([&, thread] {
      for (++ready; ready < threads;)
        ;
      begins[thread] = Clock::now();
      work(thread);
      ends[thread] = Clock::now();
    });
  for (std::thread &thread : pool)
    thread.join();
  return std::chrono::duration<double>(*std::max_element(ends.begin(), ends.end()) -
                                       *std::min_element(begins.begin(), begins.end()))
      .count();
}

/// The middle value and both ends.
struct Range {
  double median, least, most;
  explicit Range(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    median = values[values.size() / 2];
    least = values.front();
    most = values.back();
  }
};

/// Reads memory as fast as plain code can: 64 bytes at a time, in four independent chains.
uint64_t readAll(const uint8_t *begin, const uint8_t *end) {
  using Line = uint64_t __attribute__((vector_size(64), aligned(1)));
  Line sums[4] = {};
  for (const uint8_t *p = begin; p + 256 <= end; p += 256)
    for (int i = 0; i < 4; ++i) {
      __builtin_prefetch(p + 4096 + 64 * i);
      sums[i] ^= *reinterpret_cast<const Line *>(p + 64 * i);
    }
  Line all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  uint64_t result = 0;
  for (int i = 0; i < 8; ++i)
    result ^= all[i];
  return result;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (!parseOptions(argc, argv, options)) {
    std::fprintf(stderr, "usage: stc-kernel-benchmark LAYOUT ROWSxCOLUMNS [tokens=] [threads=] "
                         "[accumulators=] [at-once=] [prefetch=] [level=] [streams=] [megabytes=] "
                         "[density=] [target=] "
                         "[seconds=] [--json]\n");
    return 1;
  }
  TileGeometry geometry = tileGeometry(options.layout, options.rows, options.columns);
  absl::StatusOr<MatmulText> text = textOf(options);
  absl::StatusOr<std::unique_ptr<CompiledKernel>> kernel =
      text.ok() ? compile(options, *text) : text.status();
  if (!kernel.ok()) {
    std::fprintf(stderr, "%s\n", std::string(kernel.status().message()).c_str());
    return 1;
  }
  std::vector<uint8_t> packed =
      randomWeights(options.layout, options.rows, options.columns, options.numbers.at("density"));
  int64_t stride = (packed.size() + 63) / 64 * 64;
  int64_t copies = std::max<int64_t>(1, options.get("megabytes") * 1000000 / stride);
  size_t total = copies * stride;
  void *memory = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return 1;
  madvise(memory, total, MADV_HUGEPAGE);
  auto *weights = static_cast<uint8_t *>(memory);
  for (int64_t copy = 0; copy < copies; ++copy)
    std::copy(packed.begin(), packed.end(), weights + copy * stride);

  int64_t tokens = options.get("tokens"), threads = options.get("threads");
  RandomNumbers random(2);
  Buffer<float> x(tokens, options.columns), scales(tokens, std::max<int64_t>(1, geometry.groups)),
      y(tokens, options.rows);
  Buffer<int8_t> codes(tokens, geometry.paddedColumns);
  Buffer<int32_t> sums(tokens, std::max<int64_t>(1, geometry.groups));
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] = random.real();
  Buffer<uint16_t> halves(tokens, 2 * splitHalfColumns(options.columns));
  for (int64_t t = 0; t < tokens; ++t)
    splitActivations(absl::MakeConstSpan(&x(t, 0), size_t(x.columns)),
                     absl::MakeSpan(&halves(t, 0), size_t(halves.columns)));
  for (int64_t i = 0; i < codes.size(); ++i)
    codes[i] = int8_t(random.integer(-127, 127));
  for (int64_t i = 0; i < scales.size(); ++i)
    scales[i] = random.real(0.01f, 0.1f);

  auto multiply = [&](int64_t thread) {
    int64_t streams = options.get("streams"), pieces = (geometry.rowTiles + streams - 1) / streams;
    int64_t begin = thread * pieces / threads * streams,
            end = (thread + 1) * pieces / threads * streams;
    for (int64_t copy = 0; copy < copies; ++copy) {
      std::vector<Argument> arguments = {Argument::address(weights + copy * stride)};
      if (options.layout.isQuantized())
        arguments.insert(arguments.end(), {Argument::matrix(codes), Argument::matrix(scales),
                                           Argument::matrix(sums)});
      else
        arguments.push_back(Argument::matrix(x));
      if (text->split)
        arguments.push_back(Argument::matrix(halves));
      arguments.insert(arguments.end(),
                       {Argument::matrix(y), Argument::number(begin), Argument::number(end)});
      (*kernel)->run(std::move(arguments));
    }
  };
  std::atomic<uint64_t> sink{0};
  auto read = [&](int64_t thread) {
    sink +=
        readAll(weights + thread * (total / threads), weights + (thread + 1) * (total / threads));
  };
  // The machine may be shared: model, memory and arithmetic alternate, and each pass has its own
  // ratios.
  auto pool = ThreadPool::create(int(threads));
  if (!pool.ok()) {
    std::fprintf(stderr, "%s\n", std::string(pool.status().message()).c_str());
    return 1;
  }
  double products = double(copies) * options.rows * options.columns * tokens;
  std::vector<double> multiplying, reading, peaks, bandwidthFractions, peakFractions;
  double spent = 0;
  while (multiplying.size() < 7 ||
         (spent < options.numbers.at("seconds") && multiplying.size() < 1000)) {
    multiplying.push_back(runOnce(threads, multiply));
    reading.push_back(runOnce(threads, read));
    peaks.push_back(measureInt8Peak(**pool));
    bandwidthFractions.push_back(reading.back() / multiplying.back());
    peakFractions.push_back(2 * products / multiplying.back() / peaks.back());
    spent += multiplying.back() + reading.back();
  }
  Range seconds(multiplying), fraction(bandwidthFractions), peakFraction(peakFractions);
  double bandwidth = double(total) / Range(reading).median, peak = Range(peaks).median;
  double rate = 2 * products / seconds.median;
  if (options.json) {
    std::printf("{\"layout\": \"%s\", \"rows\": %ld, \"columns\": %ld, \"tokens\": %ld, "
                "\"threads\": %ld, \"target\": \"%s\", \"density\": %g, \"weight_bytes\": %zu, "
                "\"bits_per_weight\": %.6g, \"passes\": %zu,\n",
                options.layout.str().c_str(), options.rows, options.columns, tokens, threads,
                options.target.c_str(), options.numbers.at("density"), packed.size(),
                8.0 * double(packed.size()) / double(options.rows * options.columns),
                multiplying.size());
    std::printf(" \"seconds_per_matrix\": %.6g, \"seconds_per_matrix_range\": [%.6g, %.6g], "
                "\"bytes_per_second\": %.6g, \"ops_per_second\": %.6g,\n",
                seconds.median / double(copies), seconds.least / double(copies),
                seconds.most / double(copies), double(total) / seconds.median, rate);
    std::printf(" \"read_bandwidth_bytes_per_second\": %.6g, \"bandwidth_fraction\": %.4f, "
                "\"bandwidth_fraction_range\": [%.4f, %.4f],\n"
                " \"int8_peak_ops_per_second\": %.6g, \"peak_fraction\": %.4f, "
                "\"peak_fraction_range\": [%.4f, %.4f]}\n",
                bandwidth, fraction.median, fraction.least, fraction.most, peak,
                peakFraction.median, peakFraction.least, peakFraction.most);
  } else {
    std::printf("%s %ldx%ld tokens %ld threads %ld: %.2f GB/s of %.2f (%.0f %%), %.1f Gweights/s, "
                "%.0f GOPS of %.0f (%.0f %%)\n",
                options.layout.str().c_str(), options.rows, options.columns, tokens, threads,
                double(total) / seconds.median / 1e9, bandwidth / 1e9, 100 * fraction.median,
                rate / 2 / double(tokens) / 1e9, rate / 1e9, peak / 1e9, 100 * peakFraction.median);
  }
  return sink == 1 ? 2 : 0;
}
