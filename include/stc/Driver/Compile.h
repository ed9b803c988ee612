// Compiles a checkpoint into a model binary: the phases in order, then emission.
#ifndef STC_DRIVER_COMPILE_H
#define STC_DRIVER_COMPILE_H

#include "stc/Packing/KVCache.h"
#include "stc/Pipelines/Pipelines.h"

#include "absl/status/status.h"

#include <string>

namespace stc {

/// What `stc compile` writes.
enum class EmitKind {
  Executable,
  Shared,
  Object,
  Assembly,
  Ptx,
  Hsaco,
  Spirv,
  LLVMIR,
  MLIR,
  Safetensors,
  Gguf
};

struct CompileOptions {
  std::string model;  // Hugging Face directory, .safetensors, .gguf or .mlir
  std::string output; // OUT; empty: the model's name in the current directory
  EmitKind emit = EmitKind::Executable;
  Phase mlirPhase = Phase::LLVM; // for EmitKind::MLIR
  std::string prune = "none", quantize = "none", head = "auto";
  bool keepCodes = false;         // that the checkpoint stores, where nothing else changes them
  std::string attention = "none"; // patterns imposed on layers, as parseAttentionRules takes them
  StructureOptions structure;
  bool rotate = false;
  CalibrationOptions calibration;
  std::vector<std::string> exclude; // see PipelineOptions
  std::string recipeFile;           // not empty: `recipe` was read from there
  std::optional<Recipe> recipe;     // in place of the above but `structure`
  std::string budget, objective;    // not empty: a recipe is searched for, with `calibration`
  std::string target = "native"; // as cpu::TargetDescription::parseList takes it, and names of GPUs
  std::string dumpDirectory;     // not empty: every phase's IR is written there
  ActivationChoice activations = ActivationChoice::Exact; // see PipelineOptions
  int64_t maxContext = 0;                                 // 0: the checkpoint's, at most 4096
  KVElement kvCache = KVElement::F32;
  int64_t threads = 0;   // of the compiler; 0: one per core
  bool autotune = false; // measure how to tile instead of asking the cost model
  int64_t autotuneSeconds = 30;
  std::string report;     // not empty: where a page about what was lost and won goes
  std::string reportText; // that it measures on: "default", a path, or empty for the default
  std::vector<std::string> commandLine; // for the page
  bool quiet = false, verbose = false;
};

/// Parses the value of --emit. Errors list what is supported.
absl::Status parseEmit(const std::string &text, CompileOptions &options);

/// The output path `options` leads to.
std::string outputPath(const CompileOptions &options);

/// Runs the compilation. Nothing is left behind on failure.
absl::Status compileModel(const CompileOptions &options);

} // namespace stc

#endif // STC_DRIVER_COMPILE_H
