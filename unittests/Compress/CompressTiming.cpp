// Times the compression of one matrix: StcCompressTiming ROWS COLUMNS [alps], run by hand.
#include "stc/Compress/Alps.h"
#include "stc/Compress/Obs.h"
#include "stc/Compress/Repair.h"
#include "stc/Support/Parallel.h"

#include "CompressTestUtil.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

using namespace stc;

namespace {

/// Prints how long `body` took, and what it returns as a relative error if that is not negative.
template <typename Body> void measure(const char *name, Body body) {
  auto start = std::chrono::steady_clock::now();
  double error = body();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%-28s %8.2f s", name, seconds.count());
  if (error >= 0)
    std::printf("   relative output error %.4f", error);
  std::printf("\n");
  std::fflush(stdout);
}

double obs(const char *prune, const char *quantize, int64_t rows, const std::vector<float> &weights,
           const SecondMoments &moments, const InverseFactor &factor) {
  ObsOptions options{parsePruneSpec(prune)->pattern, {}, *parseQuantizeSpec(quantize)};
  return solveObs(options, rows, weights, moments, factor)->error;
}

} // namespace

int main(int argc, char **argv) {
  int64_t rows = argc > 2 ? std::atoll(argv[1]) : 0, columns = argc > 2 ? std::atoll(argv[2]) : 0;
  if (rows < 1 || columns < 1) {
    std::fprintf(stderr, "usage: StcCompressTiming ROWS COLUMNS [alps]\n");
    return 1;
  }
  std::printf("%lld x %lld, %d threads\n", (long long)rows, (long long)columns, parallelThreads());
  std::vector<float> weights = randomNormal(rows * columns, 1, 0.02);
  std::vector<float> inputs = correlatedInputs(2048, columns, 2);
  SecondMoments moments(columns);
  measure("moments of 2048 tokens", [&] {
    bool ok = moments.add(inputs).ok();
    moments.matrix();
    return ok ? -1.0 : 1.0;
  });
  InverseFactor factor;
  measure("inverse factor", [&] {
    factor = *factorInverse(moments);
    return -1.0;
  });
  for (std::pair<const char *, const char *> specs :
       {std::pair("none", "int4-g128"), std::pair("2:4", "none"), std::pair("2:4", "int4-g128"),
        std::pair("0.5", "int4-g128"), std::pair("block16x4:0.5", "int4-g128")}) {
    std::string name = std::string("obs ") + specs.first + " " + specs.second;
    measure(name.c_str(),
            [&] { return obs(specs.first, specs.second, rows, weights, moments, factor); });
  }
  ObsOptions options{parsePruneSpec("2:4")->pattern, {}, *parseQuantizeSpec("int4-g128")};
  ObsResult start = *solveObs(options, rows, weights, moments, factor);
  std::vector<float> cross = crossOfWeights(moments, rows, weights);
  measure("refit weights", [&] {
    auto fitted = *refitWeights({}, rows, start.values, start.mask, moments, cross);
    return outputError(moments, rows, weights, fitted);
  });
  measure("refit codes", [&] {
    auto fitted = *refitCodes({}, options.quantize, start.quantized, start.mask, moments, cross);
    return outputError(moments, rows, weights, dequantize(fitted));
  });
  if (argc > 3) // it takes minutes
    measure("alps 2:4", [&] {
      AlpsOptions alps;
      alps.pattern = options.pattern;
      return solveAlps(alps, rows, weights, moments)->error;
    });
  return 0;
}
