// What NVIDIA's own libraries take for the same products, where a machine has them.
#ifndef STC_BENCHMARKS_GPU_GPULIBRARIES_H
#define STC_BENCHMARKS_GPU_GPULIBRARIES_H

#include "stc/Packing/Layout.h"
#include "stc/Runtime/Gpu/CudaDriver.h"
#include "stc/Runtime/Gpu/GpuDevice.h"

#include <map>
#include <memory>
#include <string>
#include <tuple>

namespace stc {

/// cuBLASLt for dense matrices and cuSPARSELt for 2:4, both found when the program runs; neither
/// their headers nor their libraries are needed to build it.
class GpuLibraries {
public:
  /// Prints a line for each library that is not there, and why.
  GpuLibraries(GpuDevice &device, const CudaDriver &driver);
  ~GpuLibraries();

  /// Prints what the libraries take for a matrix [rows][columns] times so many tokens, in f16 and
  /// int8, and how many times as fast `seconds` is: dense always, 2:4 where the layout is. Each is
  /// measured once. Fewer than 16 tokens are not compared: they are no work for matrix units.
  void compare(const Layout &layout, int64_t rows, int64_t columns, int64_t tokens, double seconds);

private:
  struct Dense;
  struct Sparse;
  struct Product;
  absl::StatusOr<double> measure(const Product &product);
  absl::StatusOr<double> median(absl::FunctionRef<absl::Status()> enqueue);

  GpuDevice &device;
  CudaDriver driver;
  std::unique_ptr<Dense> dense;
  std::unique_ptr<Sparse> sparse;
  std::map<std::tuple<bool, bool, int64_t, int64_t, int64_t>, absl::StatusOr<double>> measured;
};

} // namespace stc

#endif // STC_BENCHMARKS_GPU_GPULIBRARIES_H
