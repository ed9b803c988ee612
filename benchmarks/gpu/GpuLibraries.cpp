// Products by cuBLASLt and cuSPARSELt. Their interfaces are declared here as their documentation
// describes them: https://docs.nvidia.com/cuda/cublas (cuBLASLt API, CUDA 11 to 13) and
// https://docs.nvidia.com/cuda/cusparselt (0.7 and later).
#include "GpuLibraries.h"

#include "stc/Runtime/Gpu/DriverLibrary.h"
#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <vector>

using namespace stc;

namespace {

/// cudaDataType.
enum DataType : int { kF32 = 0, kF16 = 2, kI8 = 3, kI32 = 10 };
constexpr uint64_t kWorkspaceBytes = uint64_t(64) << 20;
constexpr int64_t kFewestTokens = 16;

absl::Status check(const char *call, int status) {
  if (status == 0)
    return absl::OkStatus();
  return formatError({"", call, {}}, "success", absl::StrCat("status ", status));
}

/// Structures that callers own and only the library looks into: no version has larger ones.
struct alignas(64) Opaque {
  uint8_t bytes[16384];
};

/// Random bits that are small numbers in either type: as f16 of magnitudes from 1/16 to 1/8.
std::vector<uint16_t> randomBits(int64_t bytes, std::mt19937 &random) {
  std::vector<uint16_t> bits(size_t(bytes + 1) / 2);
  for (uint16_t &word : bits)
    word = uint16_t((random() & 0x83FF) | 0x2C00);
  return bits;
}

} // namespace

struct GpuLibraries::Product {
  bool isSparse, isInt8;
  int64_t rows, columns, tokens;
};

//===----------------------------------------------------------------------===//
// cuBLASLt
//===----------------------------------------------------------------------===//

struct GpuLibraries::Dense {
  /// cublasLtMatmulHeuristicResult_t.
  struct Choice {
    uint64_t algorithm[8];
    size_t workspaceBytes;
    int state;
    float waves;
    int reserved[4];
  };
  enum { kTransposeA = 3, kTransposed = 1, kMostWorkspace = 1, kCompute32F = 68, kCompute32I = 72 };

  DriverLibrary library;
  void *handle = nullptr;
  int (*create)(void **handle);
  int (*destroy)(void *handle);
  int (*createMatmul)(void **matmul, int compute, int scale);
  int (*setMatmul)(void *matmul, int attribute, const void *value, size_t bytes);
  int (*destroyMatmul)(void *matmul);
  int (*createLayout)(void **layout, int type, uint64_t rows, uint64_t columns, int64_t stride);
  int (*destroyLayout)(void *layout);
  int (*createPreference)(void **preference);
  int (*setPreference)(void *preference, int attribute, const void *value, size_t bytes);
  int (*destroyPreference)(void *preference);
  int (*choose)(void *handle, void *matmul, void *a, void *b, void *c, void *d, void *preference,
                int wanted, Choice *choices, int *found);
  int (*multiply)(void *handle, void *matmul, const void *alpha, const void *a, void *layoutA,
                  const void *b, void *layoutB, const void *beta, const void *c, void *layoutC,
                  void *d, void *layoutD, const uint64_t *algorithm, void *workspace,
                  size_t workspaceBytes, void *stream);

  static absl::StatusOr<std::unique_ptr<Dense>> open() {
    auto dense = std::make_unique<Dense>();
    STC_ASSIGN_OR_RETURN(
        dense->library,
        DriverLibrary::open("STC_CUBLASLT", "libcublasLt.so.13 libcublasLt.so.12 libcublasLt.so.11",
                            "cuBLASLt", "NVIDIA's library"));
    dense->library.find(dense->create, "cublasLtCreate");
    dense->library.find(dense->destroy, "cublasLtDestroy");
    dense->library.find(dense->createMatmul, "cublasLtMatmulDescCreate");
    dense->library.find(dense->setMatmul, "cublasLtMatmulDescSetAttribute");
    dense->library.find(dense->destroyMatmul, "cublasLtMatmulDescDestroy");
    dense->library.find(dense->createLayout, "cublasLtMatrixLayoutCreate");
    dense->library.find(dense->destroyLayout, "cublasLtMatrixLayoutDestroy");
    dense->library.find(dense->createPreference, "cublasLtMatmulPreferenceCreate");
    dense->library.find(dense->setPreference, "cublasLtMatmulPreferenceSetAttribute");
    dense->library.find(dense->destroyPreference, "cublasLtMatmulPreferenceDestroy");
    dense->library.find(dense->choose, "cublasLtMatmulAlgoGetHeuristic");
    dense->library.find(dense->multiply, "cublasLtMatmul");
    STC_RETURN_IF_ERROR(dense->library.checkComplete("cuBLASLt"));
    STC_RETURN_IF_ERROR(check("cublasLtCreate", dense->create(&dense->handle)));
    return dense;
  }
  ~Dense() {
    if (handle)
      destroy(handle);
  }

  /// Both matrices have columns next to each other, so that the first is the transpose of what the
  /// library calls a matrix; the results of a token are next to each other.
  absl::StatusOr<double> run(const Product &product, void *weights, void *inputs, void *results,
                             void *workspace, GpuLibraries &libraries) {
    int type = product.isInt8 ? kI8 : kF16, out = product.isInt8 ? kI32 : kF16;
    void *matmul = nullptr, *a = nullptr, *b = nullptr, *d = nullptr, *preference = nullptr;
    auto prepare = [&](Choice &choice) -> absl::Status {
      STC_RETURN_IF_ERROR(check("cublasLtMatmulDescCreate",
                                createMatmul(&matmul, product.isInt8 ? kCompute32I : kCompute32F,
                                             product.isInt8 ? kI32 : kF32)));
      int transposed = kTransposed, found = 0;
      size_t most = kWorkspaceBytes;
      STC_RETURN_IF_ERROR(check("cublasLtMatmulDescSetAttribute",
                                setMatmul(matmul, kTransposeA, &transposed, sizeof(transposed))));
      uint64_t rows = uint64_t(product.rows), columns = uint64_t(product.columns),
               tokens = uint64_t(product.tokens);
      for (int status : {createLayout(&a, type, columns, rows, product.columns),
                         createLayout(&b, type, columns, tokens, product.columns),
                         createLayout(&d, out, rows, tokens, product.rows)})
        STC_RETURN_IF_ERROR(check("cublasLtMatrixLayoutCreate", status));
      STC_RETURN_IF_ERROR(check("cublasLtMatmulPreferenceCreate", createPreference(&preference)));
      STC_RETURN_IF_ERROR(check("cublasLtMatmulPreferenceSetAttribute",
                                setPreference(preference, kMostWorkspace, &most, sizeof(most))));
      STC_RETURN_IF_ERROR(
          check("cublasLtMatmulAlgoGetHeuristic",
                choose(handle, matmul, a, b, d, d, preference, 1, &choice, &found)));
      return check("cublasLtMatmulAlgoGetHeuristic", found == 1 ? choice.state : -1);
    };
    Choice choice = {};
    float one = 1, none = 0;
    int32_t whole = 1, empty = 0;
    absl::StatusOr<double> seconds = 0.0;
    if (absl::Status prepared = prepare(choice); !prepared.ok())
      seconds = prepared;
    else
      seconds = libraries.median([&] {
        return check("cublasLtMatmul",
                     multiply(handle, matmul, product.isInt8 ? (void *)&whole : &one, weights, a,
                              inputs, b, product.isInt8 ? (void *)&empty : &none, results, d,
                              results, d, choice.algorithm, workspace, kWorkspaceBytes, nullptr));
      });
    if (preference)
      destroyPreference(preference);
    for (void *layout : {a, b, d})
      if (layout)
        destroyLayout(layout);
    if (matmul)
      destroyMatmul(matmul);
    return seconds;
  }
};

//===----------------------------------------------------------------------===//
// cuSPARSELt
//===----------------------------------------------------------------------===//

struct GpuLibraries::Sparse {
  enum { kRowOrder = 2, kHalf = 0, kAsIs = 0, kTransposed = 1, kAnyAlgorithm = 0, kInStrips = 1 };
  enum { kCompute32I = 0, kCompute32F = 2 };

  DriverLibrary library;
  Opaque handle = {};
  bool opened = false;
  int (*create)(Opaque *handle);
  int (*destroy)(const Opaque *handle);
  int (*createDense)(const Opaque *handle, Opaque *matrix, int64_t rows, int64_t columns,
                     int64_t stride, uint32_t alignment, int type, int order);
  int (*createSparse)(const Opaque *handle, Opaque *matrix, int64_t rows, int64_t columns,
                      int64_t stride, uint32_t alignment, int type, int order, int sparsity);
  int (*destroyMatrix)(const Opaque *matrix);
  int (*createMatmul)(const Opaque *handle, Opaque *matmul, int operationA, int operationB,
                      const Opaque *a, const Opaque *b, const Opaque *c, const Opaque *d,
                      int compute);
  int (*choose)(const Opaque *handle, Opaque *choice, const Opaque *matmul, int algorithm);
  int (*plan)(const Opaque *handle, Opaque *plan, const Opaque *matmul, const Opaque *choice);
  int (*destroyPlan)(const Opaque *plan);
  int (*workspaceBytes)(const Opaque *handle, const Opaque *plan, size_t *bytes);
  int (*prune)(const Opaque *handle, const Opaque *matmul, const void *in, void *out, int algorithm,
               void *stream);
  int (*compressedBytes)(const Opaque *handle, const Opaque *plan, size_t *bytes,
                         size_t *bufferBytes);
  int (*compress)(const Opaque *handle, const Opaque *plan, const void *in, void *out, void *buffer,
                  void *stream);
  int (*multiply)(const Opaque *handle, const Opaque *plan, const void *alpha, const void *a,
                  const void *b, const void *beta, const void *c, void *d, void *workspace,
                  void **streams, int32_t count);

  static absl::StatusOr<std::unique_ptr<Sparse>> open() {
    auto sparse = std::make_unique<Sparse>();
    STC_ASSIGN_OR_RETURN(sparse->library,
                         DriverLibrary::open("STC_CUSPARSELT", "libcusparseLt.so.0", "cuSPARSELt",
                                             "NVIDIA's library"));
    sparse->library.find(sparse->create, "cusparseLtInit");
    sparse->library.find(sparse->destroy, "cusparseLtDestroy");
    sparse->library.find(sparse->createDense, "cusparseLtDenseDescriptorInit");
    sparse->library.find(sparse->createSparse, "cusparseLtStructuredDescriptorInit");
    sparse->library.find(sparse->destroyMatrix, "cusparseLtMatDescriptorDestroy");
    sparse->library.find(sparse->createMatmul, "cusparseLtMatmulDescriptorInit");
    sparse->library.find(sparse->choose, "cusparseLtMatmulAlgSelectionInit");
    sparse->library.find(sparse->plan, "cusparseLtMatmulPlanInit");
    sparse->library.find(sparse->destroyPlan, "cusparseLtMatmulPlanDestroy");
    sparse->library.find(sparse->workspaceBytes, "cusparseLtMatmulGetWorkspace");
    sparse->library.find(sparse->prune, "cusparseLtSpMMAPrune");
    sparse->library.find(sparse->compressedBytes, "cusparseLtSpMMACompressedSize");
    sparse->library.find(sparse->compress, "cusparseLtSpMMACompress");
    sparse->library.find(sparse->multiply, "cusparseLtMatmul");
    STC_RETURN_IF_ERROR(sparse->library.checkComplete("cuSPARSELt 0.7"));
    STC_RETURN_IF_ERROR(check("cusparseLtInit", sparse->create(&sparse->handle)));
    sparse->opened = true;
    return sparse;
  }
  ~Sparse() {
    if (opened)
      destroy(&handle);
  }

  /// All matrices row by row, which both types allow: weights [rows][columns] times the transpose
  /// of inputs [tokens][columns], pruned by the library.
  absl::StatusOr<double> run(const Product &product, void *weights, void *inputs, void *results,
                             void *workspace, GpuLibraries &libraries) {
    constexpr uint32_t aligned = 16;
    int type = product.isInt8 ? kI8 : kF16;
    auto a = std::make_unique<Opaque>(), b = std::make_unique<Opaque>(),
         d = std::make_unique<Opaque>(), matmul = std::make_unique<Opaque>(),
         choice = std::make_unique<Opaque>(), ready = std::make_unique<Opaque>();
    STC_RETURN_IF_ERROR(check("cusparseLtStructuredDescriptorInit",
                              createSparse(&handle, a.get(), product.rows, product.columns,
                                           product.columns, aligned, type, kRowOrder, kHalf)));
    for (int status : {createDense(&handle, b.get(), product.tokens, product.columns,
                                   product.columns, aligned, type, kRowOrder),
                       createDense(&handle, d.get(), product.rows, product.tokens, product.tokens,
                                   aligned, type, kRowOrder)})
      STC_RETURN_IF_ERROR(check("cusparseLtDenseDescriptorInit", status));
    STC_RETURN_IF_ERROR(
        check("cusparseLtMatmulDescriptorInit",
              createMatmul(&handle, matmul.get(), kAsIs, kTransposed, a.get(), b.get(), d.get(),
                           d.get(), product.isInt8 ? kCompute32I : kCompute32F)));
    STC_RETURN_IF_ERROR(check("cusparseLtMatmulAlgSelectionInit",
                              choose(&handle, choice.get(), matmul.get(), kAnyAlgorithm)));
    STC_RETURN_IF_ERROR(
        check("cusparseLtMatmulPlanInit", plan(&handle, ready.get(), matmul.get(), choice.get())));
    size_t needed = 0, bytes = 0, bufferBytes = 0;
    STC_RETURN_IF_ERROR(
        check("cusparseLtMatmulGetWorkspace", workspaceBytes(&handle, ready.get(), &needed)));
    if (needed > kWorkspaceBytes)
      return formatError({"", "cusparseLtMatmulGetWorkspace", {}},
                         absl::StrCat("at most ", kWorkspaceBytes, " bytes"), absl::StrCat(needed));
    STC_RETURN_IF_ERROR(check("cusparseLtSpMMACompressedSize",
                              compressedBytes(&handle, ready.get(), &bytes, &bufferBytes)));
    STC_ASSIGN_OR_RETURN(GpuMemory stored,
                         GpuMemory::allocate(libraries.device, bytes, "compressed weights"));
    STC_ASSIGN_OR_RETURN(GpuMemory buffer, GpuMemory::allocate(libraries.device, bufferBytes + 16,
                                                               "compressing weights"));
    STC_RETURN_IF_ERROR(check("cusparseLtSpMMAPrune",
                              prune(&handle, matmul.get(), weights, weights, kInStrips, nullptr)));
    STC_RETURN_IF_ERROR(
        check("cusparseLtSpMMACompress",
              compress(&handle, ready.get(), weights, stored.data(), buffer.data(), nullptr)));
    float one = 1, none = 0;
    absl::StatusOr<double> seconds = libraries.median([&] {
      return check("cusparseLtMatmul", multiply(&handle, ready.get(), &one, stored.data(), inputs,
                                                &none, results, results, workspace, nullptr, 0));
    });
    destroyPlan(ready.get());
    for (Opaque *matrix : {a.get(), b.get(), d.get()})
      destroyMatrix(matrix);
    return seconds;
  }
};

//===----------------------------------------------------------------------===//
// Both
//===----------------------------------------------------------------------===//

template <typename Library>
static std::unique_ptr<Library> openOrSay(absl::StatusOr<std::unique_ptr<Library>> library,
                                          const char *name) {
  if (library.ok())
    return std::move(*library);
  std::printf("not compared with %s: %s\n", name, std::string(library.status().message()).c_str());
  return nullptr;
}

GpuLibraries::GpuLibraries(GpuDevice &device, const CudaDriver &driver)
    : device(device), driver(driver) {
  // Makes the device's context this thread's, which the libraries go by.
  (void)device.synchronize();
  dense = openOrSay(Dense::open(), "cuBLASLt");
  sparse = openOrSay(Sparse::open(), "cuSPARSELt");
}
GpuLibraries::~GpuLibraries() = default;

/// By the host's clock, of several products one after the other: the libraries enqueue on a stream
/// of their own.
absl::StatusOr<double> GpuLibraries::median(absl::FunctionRef<absl::Status()> enqueue) {
  constexpr int rounds = 7, launches = 16;
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < launches; ++i)
      STC_RETURN_IF_ERROR(enqueue());
    STC_RETURN_IF_ERROR(check("cuStreamSynchronize", int(driver.streamSynchronize(nullptr))));
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (round >= 2)
      times.push_back(seconds.count() / launches);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

absl::StatusOr<double> GpuLibraries::measure(const Product &product) {
  int64_t bytes = product.isInt8 ? 1 : 2;
  std::mt19937 random(1);
  std::vector<uint16_t> weightBits = randomBits(product.rows * product.columns * bytes, random);
  std::vector<uint16_t> inputBits = randomBits(product.tokens * product.columns * bytes, random);
  STC_ASSIGN_OR_RETURN(GpuMemory weights,
                       GpuMemory::allocate(device, 2 * weightBits.size(), "weights"));
  STC_ASSIGN_OR_RETURN(GpuMemory inputs,
                       GpuMemory::allocate(device, 2 * inputBits.size(), "inputs"));
  STC_ASSIGN_OR_RETURN(
      GpuMemory results,
      GpuMemory::allocate(device, 4 * uint64_t(product.rows * product.tokens), "results"));
  STC_ASSIGN_OR_RETURN(GpuMemory workspace,
                       GpuMemory::allocate(device, kWorkspaceBytes, "the library"));
  STC_RETURN_IF_ERROR(device.upload(weights.address(), weightBits.data(), 2 * weightBits.size()));
  STC_RETURN_IF_ERROR(device.upload(inputs.address(), inputBits.data(), 2 * inputBits.size()));
  STC_RETURN_IF_ERROR(device.synchronize());
  return product.isSparse ? sparse->run(product, weights.data(), inputs.data(), results.data(),
                                        workspace.data(), *this)
                          : dense->run(product, weights.data(), inputs.data(), results.data(),
                                       workspace.data(), *this);
}

void GpuLibraries::compare(const Layout &layout, int64_t rows, int64_t columns, int64_t tokens,
                           double seconds) {
  if (tokens < kFewestTokens)
    return;
  bool isTwoOfFour = layout.kind == LayoutKind::NM && layout.n == 2 && layout.m == 4;
  for (bool isSparse : {false, true})
    for (bool isInt8 : {false, true}) {
      if (isSparse ? !sparse || !isTwoOfFour : !dense)
        continue;
      auto key = std::make_tuple(isSparse, isInt8, rows, columns, tokens);
      auto found = measured.find(key);
      if (found == measured.end())
        found = measured.emplace(key, measure({isSparse, isInt8, rows, columns, tokens})).first;
      const char *name = isSparse ? "cuSPARSELt 2:4" : "cuBLASLt dense";
      const char *type = isInt8 ? "int8" : "f16";
      if (!found->second.ok()) {
        std::printf("    %s %s: %s\n", name, type,
                    std::string(found->second.status().message()).c_str());
        continue;
      }
      std::printf("    %s %-4s %9.2f us  %7.2f Tops/s  this is %.2f times as fast\n", name, type,
                  *found->second * 1e6,
                  2e-12 * double(rows) * double(columns) * double(tokens) / *found->second,
                  *found->second / seconds);
    }
}
