// Chooses how matrix multiplications are tiled by measuring the candidates on this machine.
#ifndef STC_TARGET_AUTOTUNE_AUTOTUNER_H
#define STC_TARGET_AUTOTUNE_AUTOTUNER_H

#include "stc/Runtime/ThreadPool.h"
#include "stc/Target/Autotune/TuningCache.h"
#include "stc/Target/CPU/LoweringConfig.h"

#include <chrono>
#include <memory>
#include <string>

namespace stc {

struct AutotuneOptions {
  std::string target = "native"; // as TargetDescription::parse takes it
  int64_t promptTokens = 128;    // of calls whose number of tokens is open
  int threads = 0;               // to measure with; 0: all
  double seconds = 30;           // after which what is left keeps the model's choice
  double secondsEach = 1;        // of the rounds in which the candidates of one take turns
  int64_t streamedBytes = 0;     // weights that a lone token reads; 0: more than caches hold
  std::string cacheDirectory;    // empty: nothing is kept
  std::string compiler;          // whatever identifies the code generator: its results' namespace
  bool quiet = true;             // no progress
};

/// Measures each distinct pair of weight type and number of tokens once.
class Autotuner final : public cpu::LoweringConfigChooser {
public:
  /// Errors: this machine cannot run code for the target, or the threads cannot be had.
  static absl::StatusOr<std::unique_ptr<Autotuner>> create(const AutotuneOptions &options);

  /// Remarks at each multiplication say what was chosen and how much faster than the model's choice
  /// it is.
  mlir::FailureOr<llvm::SmallVector<size_t>>
  choose(llvm::ArrayRef<cpu::LoweringChoice> choices) override;

  /// Distinct multiplications that were measured, known from the cache, and left to the model
  /// because time was over.
  int64_t measured() const { return counts.measured; }
  int64_t known() const { return counts.known; }
  int64_t left() const { return counts.left; }

private:
  /// What is known of one distinct multiplication.
  struct Result {
    size_t index = 0;
    std::string remark;
  };
  Autotuner(AutotuneOptions options, std::unique_ptr<ThreadPool> pool, std::string circumstance)
      : options(std::move(options)), pool(std::move(pool)),
        cache(this->options.cacheDirectory, std::move(circumstance)) {}
  Result decide(const std::string &key, const cpu::LoweringChoice &choice);
  absl::StatusOr<Result> measure(const cpu::LoweringChoice &choice);

  AutotuneOptions options;
  std::unique_ptr<ThreadPool> pool;
  TuningCache cache;
  std::chrono::steady_clock::time_point start;
  struct {
    int64_t measured = 0, known = 0, left = 0;
  } counts;
};

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_AUTOTUNER_H
