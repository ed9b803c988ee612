// Chooses how matrix multiplications are tiled by measuring the candidates on this machine.
#include "stc/Target/Autotune/Autotuner.h"

#include "stc/Support/Progress.h"
#include "stc/Target/Autotune/Circumstance.h"
#include "stc/Target/Autotune/KernelBench.h"
#include "stc/Target/CPU/TargetDescription.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

using namespace mlir;
using namespace stc;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Measuring one multiplication: rounds in which all candidates take turns.
static constexpr int kLeastRounds = 5, kMostRounds = 15;
/// Less than this is what repeated measurements of one candidate differ by.
static constexpr double kLeastGain = 1.02;
/// Rows of a thread's matrix are cut to this many weights: enough for all that tiles share, and
/// quickly made.
static constexpr int64_t kMostWeights = 4 << 20;
/// Weights of a lone token come from memory, those of prompts are used often enough to be near.
static constexpr int64_t kPromptBytes = 8 << 20;

static std::string configText(packed::LoweringConfigAttr config) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << config;
  return text;
}

static packed::WeightType weightOf(packed::MatmulOp op) {
  return cast<packed::WeightType>(op.getWeight().getType());
}

static int64_t tokensOf(packed::MatmulOp op) {
  return cast<ShapedType>(op.getOut().getType()).getDimSize(0);
}

/// For people: "2048x5632 dense-int4-g128, 1 token".
static std::string nameOf(packed::MatmulOp op) {
  packed::WeightType weight = weightOf(op);
  int64_t tokens = tokensOf(op);
  return absl::StrCat(weight.getRows(), "x", weight.getColumns(), " ",
                      weight.getLayout().getLayout().str(), ", ",
                      ShapedType::isDynamic(tokens) ? "prompts"
                      : tokens == 1                 ? "1 token"
                                                    : absl::StrCat(tokens, " tokens"));
}

/// A config without the attribute's name.
static std::string shortText(absl::string_view config) {
  size_t begin = config.find('<');
  return std::string(begin == absl::string_view::npos ? config : config.substr(begin));
}

/// Remarks are shown on request.
static void explain(packed::MatmulOp op, const std::string &text) {
  op.emitRemark() << "autotune: " << text;
}

absl::StatusOr<std::unique_ptr<Autotuner>> Autotuner::create(const AutotuneOptions &options) {
  STC_ASSIGN_OR_RETURN(auto target, cpu::TargetDescription::parse(options.target));
  if (!runsHere(options.target))
    return formatError({"", "--autotune", {}}, "a --target that this machine can run and measure",
                       options.target);
  STC_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::create(options.threads));
  std::string circumstance = circumstanceOf(target, pool->threads(), options.compiler);
  return std::unique_ptr<Autotuner>(
      new Autotuner(options, std::move(pool), std::move(circumstance)));
}

using Kernels = std::vector<std::unique_ptr<JitKernel>>;

/// How many times as fast as kernel 0, which is the first of `which`, each of them is: medians over
/// rounds in which all take turns, every other one backwards.
static std::vector<double> compare(KernelBench &bench, const Kernels &kernels,
                                   const std::vector<size_t> &which, double seconds) {
  std::vector<std::vector<double>> gains(which.size());
  std::vector<double> times(which.size());
  for (size_t i : which)
    bench.measure(*kernels[i]); // brings code and data where they will be
  Clock::time_point begin = Clock::now();
  for (int round = 0;
       round < kLeastRounds || (round < kMostRounds && secondsSince(begin) < seconds); ++round) {
    for (size_t i = 0; i < which.size(); ++i) {
      size_t at = round % 2 ? which.size() - 1 - i : i;
      times[at] = bench.measure(*kernels[which[at]]);
    }
    for (size_t i = 0; i < which.size(); ++i)
      gains[i].push_back(times[0] / times[i]);
  }
  std::vector<double> medians;
  for (std::vector<double> &gain : gains) {
    std::nth_element(gain.begin(), gain.begin() + long(gain.size() / 2), gain.end());
    medians.push_back(gain[gain.size() / 2]);
  }
  return medians;
}

FailureOr<SmallVector<size_t>> Autotuner::choose(ArrayRef<cpu::LoweringChoice> choices) {
  start = Clock::now();
  if (choices.empty())
    return SmallVector<size_t>();
  for (const std::string &problem : cache.problems())
    explain(choices.front().op, problem);

  // In the order of the module, each distinct multiplication once.
  std::vector<std::string> keys;
  std::map<std::string, size_t> first;
  for (auto [i, choice] : llvm::enumerate(choices)) {
    std::string key;
    llvm::raw_string_ostream stream(key);
    stream << weightOf(choice.op);
    int64_t tokens = tokensOf(choice.op);
    stream << " tokens="
           << (ShapedType::isDynamic(tokens) ? absl::StrCat("any:", options.promptTokens)
                                             : absl::StrCat(tokens));
    first.try_emplace(key, i);
    keys.push_back(key);
  }
  Progress progress("autotune", first.size(),
                    options.quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  std::map<std::string, Result> results;
  SmallVector<size_t> indices;
  for (auto [i, choice] : llvm::enumerate(choices)) {
    auto [result, isNew] = results.try_emplace(keys[i]);
    if (isNew) {
      result->second = decide(keys[i], choice);
      std::string name = nameOf(choice.op);
      progress.advance(1, name);
      explain(choice.op, absl::StrCat(name, ": ", result->second.remark));
    }
    indices.push_back(result->second.index);
  }
  progress.finish();
  if (absl::Status status = cache.save(); !status.ok())
    explain(choices.front().op, absl::StrCat("nothing is kept: ", status.message()));
  return indices;
}

Autotuner::Result Autotuner::decide(const std::string &key, const cpu::LoweringChoice &choice) {
  if (std::optional<std::string> stored = cache.find(key)) {
    for (auto [i, candidate] : llvm::enumerate(choice.candidates))
      if (configText(candidate) == *stored) {
        ++counts.known;
        return {i, absl::StrCat(shortText(*stored), " was measured before")};
      }
    explain(choice.op, absl::StrCat(cache.path(), ": expected one of the candidates, got ", *stored,
                                    ", which is ignored"));
  }
  if (secondsSince(start) > options.seconds) {
    ++counts.left;
    return {0, absl::StrCat(shortText(configText(choice.candidates[0])),
                            " is the model's choice: no time is left to measure")};
  }
  absl::StatusOr<Result> result = measure(choice);
  if (!result.ok()) {
    ++counts.left;
    return {0, absl::StrCat(shortText(configText(choice.candidates[0])),
                            " is the model's choice: ", std::string(result.status().message()))};
  }
  ++counts.measured;
  cache.add(key, configText(choice.candidates[result->index]));
  return *result;
}

absl::StatusOr<Autotuner::Result> Autotuner::measure(const cpu::LoweringChoice &choice) {
  packed::WeightType weight = weightOf(choice.op);
  KernelShape shape;
  shape.layout = weight.getLayout().getLayout();
  shape.columns = weight.getColumns();
  shape.split = packed::MatmulOp(choice.op).getInputs().size() == 2;
  int64_t share = llvm::divideCeil(weight.getRows(), pool->threads());
  int64_t most = std::max(kMostWeights / shape.columns / kTileRows, int64_t(1)) * kTileRows;
  shape.rows = std::min(int64_t(llvm::alignTo(uint64_t(share), kTileRows)), most);
  shape.anyTokens = ShapedType::isDynamic(tokensOf(choice.op));
  shape.tokens = shape.anyTokens ? options.promptTokens : tokensOf(choice.op);

  // Candidates are compiled by all threads, and only then measured.
  std::vector<std::string> texts;
  for (packed::LoweringConfigAttr candidate : choice.candidates)
    texts.push_back(configText(candidate));
  Kernels kernels(texts.size());
  std::vector<absl::Status> failures(texts.size());
  std::atomic<size_t> next{0};
  pool->run([&](int64_t, int64_t) {
    for (size_t i = next++; i < texts.size(); i = next++) {
      auto kernel = KernelBench::compile(shape, texts[i], options.target);
      if (kernel.ok())
        kernels[i] = std::move(*kernel);
      else
        failures[i] = kernel.status();
    }
  });
  // Others may fail: what they ask for may not fit this layout.
  if (!kernels[0])
    return failures[0];
  int64_t bytes = shape.tokens > 1        ? kPromptBytes
                  : options.streamedBytes ? options.streamedBytes
                                          : streamedBytes();
  STC_ASSIGN_OR_RETURN(auto bench, KernelBench::create(shape, bytes, *pool));

  // A first look at all of them, then the best against the model's choice once more: the best of
  // many noisy numbers looks better than it is.
  std::vector<size_t> all;
  for (size_t i = 0; i < kernels.size(); ++i)
    if (kernels[i])
      all.push_back(i);
  std::vector<double> gains = compare(*bench, kernels, all, options.secondsEach);
  Result result;
  result.index = all[size_t(std::max_element(gains.begin(), gains.end()) - gains.begin())];
  double gain = 1;
  if (result.index != 0)
    gain = compare(*bench, kernels, {0, result.index}, options.secondsEach)[1];
  if (gain < kLeastGain)
    result.index = 0;
  result.remark =
      result.index == 0
          ? absl::StrFormat("%s, the model's choice, is the best of %d measured",
                            shortText(texts[0]), all.size())
          : absl::StrFormat("%s is %.2f times as fast as %s, the model's choice (of %d measured)",
                            shortText(texts[result.index]), gain, shortText(texts[0]), all.size());
  return result;
}
