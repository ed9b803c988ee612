// A matrix multiplication on random data, to be run again and again by several kernels.
#include "stc/Target/Autotune/KernelBench.h"

#include "stc/Packing/Pack.h"
#include "stc/Support/Random.h"
#include "stc/Target/Autotune/MatmulText.h"
#include "stc/Target/Autotune/RandomWeights.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sys/mman.h>

using namespace stc;

namespace {

/// A row-major matrix of plain memory.
template <typename T> struct Matrix {
  Matrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), values(size_t(rows * columns)) {}
  T *data() const { return const_cast<T *>(values.data()); }
  int64_t rows, columns;
  std::vector<T> values;
};

/// Anonymous memory in large pages where there are any, as weights of a model are.
class Pages {
public:
  explicit Pages(size_t size) : size(size) {
    start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start != MAP_FAILED)
      madvise(start, size, MADV_HUGEPAGE);
  }
  ~Pages() {
    if (start != MAP_FAILED)
      munmap(start, size);
  }
  Pages(const Pages &) = delete;
  Pages &operator=(const Pages &) = delete;
  bool valid() const { return start != MAP_FAILED; }
  uint8_t *data() const { return static_cast<uint8_t *>(start); }

private:
  void *start;
  size_t size;
};

/// Random weights, of which layouts that may leave some out hold what pruning usually keeps.
std::vector<uint8_t> usualWeights(const KernelShape &shape) {
  constexpr double bitmapDensity = 0.5, blockDensity = 0.25;
  return randomWeights(shape.layout, shape.rows, shape.columns,
                       shape.layout.kind == LayoutKind::Block ? blockDensity : bitmapDensity);
}

class MatmulBench final : public KernelBench {
public:
  MatmulBench(const KernelShape &shape, const TileGeometry &geometry, int64_t weightBytes,
              ThreadPool &pool)
      : pool(pool), quantized(shape.layout.isQuantized()), split(shape.split),
        packed(usualWeights(shape)), stride((packed.size() + 63) / 64 * 64),
        count(std::max<int64_t>(1, weightBytes / int64_t(stride) / pool.threads())),
        memory(stride * size_t(count * pool.threads())), x(shape.tokens, shape.columns),
        codes(shape.tokens, geometry.paddedColumns), scales(shape.tokens, geometry.groups),
        sums(shape.tokens, geometry.groups),
        halves(shape.tokens, 2 * splitHalfColumns(shape.columns)) {
    Random random(2);
    for (float &value : x.values)
      value = float(2 * random.uniform() - 1);
    for (int64_t t = 0; t < shape.tokens; ++t)
      splitActivations(absl::MakeConstSpan(x.data() + t * x.columns, size_t(x.columns)),
                       absl::MakeSpan(halves.data() + t * halves.columns, size_t(halves.columns)));
    for (int8_t &code : codes.values)
      code = int8_t(random.next() % 255 - 127);
    for (float &scale : scales.values)
      scale = float(0.01 + 0.09 * random.uniform());
    for (int i = 0; i < pool.threads(); ++i)
      results.emplace_back(shape.tokens, shape.rows);
  }

  absl::Status fill() {
    if (!memory.valid())
      return formatError({"", "measuring kernels", {}},
                         absl::StrCat(stride * size_t(count * pool.threads()), " bytes of memory"),
                         std::strerror(errno));
    pool.run([&](int64_t thread, int64_t) {
      for (int64_t copy = 0; copy < count; ++copy)
        std::copy(packed.begin(), packed.end(), weights(thread, copy));
    });
    return absl::OkStatus();
  }

  int64_t copies() const override { return count; }

  double measure(const JitKernel &kernel) override {
    using Clock = std::chrono::steady_clock;
    Clock::time_point start = Clock::now();
    pool.run([&](int64_t thread, int64_t) {
      std::vector<Argument> arguments{Argument::number(0)};
      if (quantized)
        arguments.insert(arguments.end(), {Argument::matrix(codes), Argument::matrix(scales),
                                           Argument::matrix(sums)});
      else
        arguments.push_back(Argument::matrix(x));
      if (split)
        arguments.push_back(Argument::matrix(halves));
      arguments.push_back(Argument::matrix(results[size_t(thread)]));
      for (int64_t copy = 0; copy < count; ++copy) {
        arguments[0] = Argument::address(weights(thread, copy));
        kernel.run(absl::MakeSpan(arguments));
      }
    });
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

private:
  uint8_t *weights(int64_t thread, int64_t copy) const {
    return memory.data() + size_t(thread * count + copy) * stride;
  }

  ThreadPool &pool;
  bool quantized, split;
  std::vector<uint8_t> packed;
  size_t stride;
  int64_t count; // of copies for each thread
  Pages memory;
  Matrix<float> x;
  Matrix<int8_t> codes;
  Matrix<float> scales;
  Matrix<int32_t> sums;
  Matrix<uint16_t> halves;
  std::vector<Matrix<float>> results; // one for each thread
};

} // namespace

absl::StatusOr<std::unique_ptr<KernelBench>>
KernelBench::create(const KernelShape &shape, int64_t weightBytes, ThreadPool &pool) {
  TileGeometry geometry = tileGeometry(shape.layout, shape.rows, shape.columns);
  auto bench = std::make_unique<MatmulBench>(shape, geometry, weightBytes, pool);
  STC_RETURN_IF_ERROR(bench->fill());
  return bench;
}

int64_t KernelBench::matrixBytes(const KernelShape &shape) {
  return int64_t(usualWeights(shape).size());
}

absl::StatusOr<std::unique_ptr<JitKernel>> KernelBench::compile(const KernelShape &shape,
                                                                const std::string &config,
                                                                const std::string &target) {
  MatmulText text{shape.layout, shape.rows, shape.columns,
                  shape.anyTokens ? "?" : absl::StrCat(shape.tokens), shape.split};
  std::string body = absl::StrCat("packed.matmul ", text.operands());
  if (!config.empty())
    absl::StrAppend(&body, " config ", config);
  STC_ASSIGN_OR_RETURN(std::string object, generateKernel(text.parameters(), body, target,
                                                          /*passes=*/"", CodeKind::Object));
  return JitKernel::load(object);
}
