// A loaded model: its code, its weights, where both run, its tokenizer and its threads, checked to
// belong together.
#ifndef STC_RUNTIME_MODEL_H
#define STC_RUNTIME_MODEL_H

#include "stc/Packing/Bundle.h"
#include "stc/Runtime/Executor.h"
#include "stc/Runtime/Gpu/GpuModel.h"
#include "stc/Runtime/ModelABI.h"
#include "stc/Runtime/ThreadPool.h"
#include "stc/Support/ImageSettings.h"
#include "stc/Tokenizer/Tokenizer.h"

#include <memory>
#include <optional>
#include <string>

namespace stc {

/// The generated functions of one model. A value rather than the linked symbols themselves, so
/// that everything but `linkedModelCode` works (and is tested) without a linked model.
struct ModelCode {
  absl::Span<const StcVariant> variants; // the best first
  uint64_t fingerprint = 0;
  uint32_t abiVersion = 0;
  absl::Span<const StcGpuImage> gpuImages; // the best first
};

/// The model this program is linked with. Only what ends up in a model binary may call it.
inline ModelCode linkedModelCode() {
  return {absl::MakeConstSpan(stc_model_variants, stc_model_variant_count), stc_model_fingerprint,
          stc_model_abi_version,
          absl::MakeConstSpan(stc_model_gpu_images, stc_model_gpu_image_count)};
}

/// What a user can want of a model: that it goes on with a text (`run --chat`), that it writes one
/// at all (`run`, `logits`), that it turns one into vectors (`embed`), that it reads images, or
/// that it names what they show (`classify`).
enum class Ability { Continue, Write, Embed, See, Classify };

/// An open model. Immutable but for its thread pool: sessions of one model take turns.
class Model {
public:
  struct Options {
    int threads = 0;    // 0: ThreadPool::defaultThreads()
    bool verify = true; // read everything once and compare checksums
    std::string target; // the code to run; empty: STC_TARGET, else the best that can run
    /// Where: "auto" (a GPU that can, else the processors), "cpu", "cuda", "cuda:N", "hip" or
    /// "hip:N"; empty: STC_DEVICE, else auto.
    std::string device = "";
    /// How much memory of a GPU it may take, as parseMemoryLimit reads it; empty: STC_GPU_MEMORY,
    /// else what is free.
    std::string deviceMemory = "";
    bool progress = false; // tell on standard error how far a long load is
  };
  /// Opens the bundle at `path` and checks that it is whole, that `code` was generated for it and
  /// by a compiler this runtime understands, that a GPU or this processor can run it, and that its
  /// weights, caches and scratch space can fit into the memory there.
  static absl::StatusOr<std::unique_ptr<Model>> open(const ModelCode &code, const std::string &path,
                                                     const Options &options);

  const std::string &path() const { return bundle->path(); }
  /// Those of where it runs.
  const ModelSettings &settings() const {
    return gpuModel ? gpuModel->settings() : bundle->settings();
  }
  const Bundle &contents() const { return *bundle; }
  const ModelCode &code() const { return modelCode; }
  /// The code that runs on the processors: the best variant for them, or the one that was asked
  /// for. There is none where gpu() is not null.
  const StcVariant &variant() const { return *chosen; }
  /// The GPU that the model runs on; null where the processors run it.
  GpuModel *gpu() const { return gpuModel.get(); }
  /// Why no GPU runs the model although it has code for one; OK where one does, where there is no
  /// such code, and where none was wanted. NotFound: this machine has none.
  const absl::Status &gpuRefusal() const { return refusal; }
  /// The target whose code runs, as --target named it.
  std::string target() const { return gpuModel ? gpuModel->image().target : chosen->target; }
  /// "cpu" or "cuda:0".
  std::string device() const { return gpuModel ? gpuModel->properties().id : "cpu"; }
  /// Memory and calls for one text, where the model runs. The model must outlive it.
  absl::StatusOr<std::unique_ptr<Executor>> createExecutor();
  ThreadPool &pool() { return *threadPool; }
  /// Null when the model was compiled from a checkpoint without a tokenizer.
  const Tokenizer *tokenizer() const { return modelTokenizer.get(); }
  /// The tokenizer, or an error that says there is none.
  absl::StatusOr<const Tokenizer *> requireTokenizer() const;
  /// How images are read and what they are classified by; null for a model that reads texts.
  const ImageSettings *image() const { return imageSettings ? &*imageSettings : nullptr; }
  /// An error that says what the model offers unless its kind has `ability`.
  absl::Status require(Ability ability) const;
  bool isEndOfText(int32_t token) const;
  /// The tokenizer's text of a token; empty where it has none (vocabularies are often padded).
  std::string piece(int32_t token) const;

private:
  absl::Status chooseGpu(const Options &options);
  absl::Status chooseProcessor(const Options &options);

  ModelCode modelCode;
  const StcVariant *chosen = nullptr;
  std::unique_ptr<Bundle> bundle;
  std::optional<ImageSettings> imageSettings;
  std::unique_ptr<Tokenizer> modelTokenizer;
  std::unique_ptr<ThreadPool> threadPool;
  std::unique_ptr<GpuModel> gpuModel; // refers to the bundle
  absl::Status refusal;
};

/// Opens only the tokenizer of the bundle at `path`: no weight is read.
absl::StatusOr<std::unique_ptr<Tokenizer>> openTokenizer(const std::string &path);

} // namespace stc

#endif // STC_RUNTIME_MODEL_H
