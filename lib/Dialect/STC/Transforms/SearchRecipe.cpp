// stc-search-recipe: finds an encoding for each weight within a budget, and compresses with it.
#include "CompressibleWeights.h"
#include "EncodingPlan.h"

#include "stc/Calibration/SensitivityCache.h"
#include "stc/Compress/Knapsack.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Budget.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"

#include <cmath>
#include <optional>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SEARCHRECIPEPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

/// Every encoding that has kernels of its own and a place of its own between quality and size.
constexpr const char *kEncodings[] = {"none",
                                      "int8-g32",
                                      "int4-g32",
                                      "int4-g128",
                                      "int3-g32",
                                      "int3-g128",
                                      "int2-g32",
                                      "int2-g128",
                                      "6:8+int4-g128",
                                      "4:8+int4-g128",
                                      "2:4+int4-g128",
                                      "0.5+int4-g128",
                                      "0.7+int4-g128",
                                      "4:16+int4-g128",
                                      "block16x4:0.5+int4-g128",
                                      "block16x4:0.75+int4-g128"};

/// Compressions of the whole model after the first, to come nearer to a limit.
constexpr int kAdjustments = 3;
/// A limit of loss that is used up to this share is near enough.
constexpr double kNearEnough = 0.9;

/// A model compressed for real.
struct Trial {
  Recipe recipe;
  std::vector<size_t> chosen;
  Divergence measured; // on the sequences held out
  double estimated = 0;
  int64_t bytes = 0;  // of all weights
  double seconds = 0; // of one token, by the cost model
};

class SearchRecipe final : public impl::SearchRecipePassBase<SearchRecipe> {
public:
  using SearchRecipePassBase::SearchRecipePassBase;
  SearchRecipe() = default;
  SearchRecipe(const SearchRecipe &other) : SearchRecipePassBase(other), given(other.given) {}
  SearchRecipe(const SearchRecipePassOptions &options, DecodeCost cost)
      : SearchRecipePassBase(options), given(std::move(cost)) {}

  void runOnOperation() override {
    absl::Status status = run();
    // A failed pipeline has said why.
    if (!status.ok() && !status.message().empty())
      (void)emitStatus(getOperation(), status);
    if (!status.ok())
      signalPassFailure();
  }

private:
  absl::Status run();
  absl::Status prepare();
  absl::Status readTexts();
  absl::Status analyze();
  void timeEncodings();
  absl::Status searchLoss();
  absl::Status searchCost();
  std::vector<std::vector<KnapsackOption>> knapsackItems() const;
  KnapsackChoice solve(double limit) const;
  absl::Status compress(std::vector<size_t> chosen, Trial &trial);
  absl::Status takeBest(const Trial &best);
  absl::StatusOr<int64_t> bytesOf(ArrayRef<WeightOp> list);
  void resetWeights();
  double lossOf(const Divergence &measured) const;
  absl::Status unreachable(double nearest) const;
  std::optional<std::vector<size_t>> bestUniform(double limit) const;
  void publish(const Trial &trial);

  DecodeCost given, seconds; // `seconds`: that, or bytes over the bandwidth
  Budget limits;
  Recipe base; // without stages
  EncodingPlan plan;
  SplitSequences texts;
  WeightStore *store = nullptr;
  WeightUsesMap uses;
  SmallVector<WeightOp> weights;   // that are searched for
  SmallVector<WeightOp> untouched; // that nothing was done to before
  int64_t fixedBytes = 0;          // of all other weights
  double fixedSeconds = 0;         // of those that a token reads
  std::vector<size_t> inStore;     // the choice that the store holds; empty: none
};

} // namespace

absl::Status SearchRecipe::prepare() {
  plan = {};
  base = {};
  inStore.clear();
  STC_ASSIGN_OR_RETURN(limits, parseBudget(budget.getValue(), objective.getValue()));
  STC_RETURN_IF_ERROR(limits.check(/*isEncoder=*/!getOperation().lookupSymbol("head")));
  plan.bySpeed = limits.quantity == Budget::Quantity::Speed ||
                 (limits.limitsLoss() && limits.objective == Budget::Objective::Speed);
  if (calibrate.empty())
    return formatError({"", "budget", {}}, "a text to calibrate on beside it", "none");
  if (length < 2 || sequences < 1 || sweeps < 0 || windows < 1)
    return formatError({"", "stc-search-recipe", {}},
                       "length of at least 2, sequences and windows of at least 1 and sweeps of at "
                       "least 0",
                       "less");
  if (limits.quantity == Budget::Quantity::Speed && !given && !(bandwidth > 0))
    return formatError({"", "budget", {}}, "a bandwidth beside tokens/s", "none");
  // A relative path would count from the folder that the recipe is written to.
  SmallString<128> path(calibrate.getValue());
  if (path != "default" && llvm::sys::fs::make_absolute(path))
    return formatError({calibrate, "", {}}, "a path", "one without a folder to count from");
  base.calibration.text = path.str().str();
  base.calibration.length = length;
  base.repair.enabled = repair;
  base.repair.sweeps = sweeps;
  base.head = head;
  base.rotate = isRotated(getOperation());
  if (auto imposed = getOperation()->getAttrOfType<StringAttr>(kAttentionAttr)) {
    STC_ASSIGN_OR_RETURN(base.attention, parseAttentionRules(imposed.str()));
  }
  if (encodings.empty())
    for (const char *text : kEncodings) {
      STC_ASSIGN_OR_RETURN(Encoding encoding, parseEncoding(text));
      plan.encodings.push_back(encoding);
    }
  for (const std::string &text : encodings) {
    STC_ASSIGN_OR_RETURN(Encoding encoding, parseEncoding(text));
    plan.encodings.push_back(encoding);
  }
  double bytesPerSecond = bandwidth > 0 ? double(bandwidth) : 1e9;
  seconds = given ? given : [bytesPerSecond](const Layout &, int64_t, int64_t, int64_t bytes) {
    return double(bytes) / bytesPerSecond;
  };
  return absl::OkStatus();
}

absl::Status SearchRecipe::readTexts() {
  ModuleOp module = getOperation();
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, tokenizerOf(module));
  STC_ASSIGN_OR_RETURN(TextReader reader, textReaderOf(module, tokenizer.get()));
  STC_ASSIGN_OR_RETURN(texts, readSplitSequences(calibrate, reader, sequences, windows, length));
  base.calibration.sequences = texts.calibration.count;
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SearchRecipe::bytesOf(ArrayRef<WeightOp> list) {
  int64_t bytes = 0;
  for (WeightOp weight : list) {
    STC_ASSIGN_OR_RETURN(int64_t own,
                         storedBytes(*store, weight, uses.lookup(weight.getSymNameAttr())));
    bytes += own;
  }
  return bytes;
}

absl::Status SearchRecipe::analyze() {
  ModuleOp module = getOperation();
  STC_ASSIGN_OR_RETURN(store, WeightStore::get(module));
  auto found = findCompressibleWeights(module, exclude);
  FailureOr<WeightUsesMap> collected = collectWeightUses(module);
  if (failed(found) || failed(collected))
    return absl::InvalidArgumentError("");
  uses = std::move(*collected);
  weights.clear();
  untouched.clear();
  uint64_t total = 0;
  for (auto weight : module.getOps<WeightOp>())
    if (!weight.getPruneAttr() && !weight.getQuantAttr() && !weight->hasAttr(kCalibratedAttr))
      untouched.push_back(weight);
  for (WeightOp weight : *found)
    if (llvm::is_contained(untouched, weight))
      weights.push_back(weight);
  if (weights.empty())
    return formatError({"", "budget", {}}, "a weight that may be compressed", "none");
  fixedBytes = 0;
  fixedSeconds = 0;
  for (auto weight : module.getOps<WeightOp>()) {
    WeightUses use = uses.lookup(weight.getSymNameAttr());
    bool isRead = use.table || use.matrix || use.vector;
    if (!isRead || llvm::is_contained(weights, weight))
      continue;
    STC_ASSIGN_OR_RETURN(WeightFacts facts, gatherFacts(*store, weight, use));
    STC_ASSIGN_OR_RETURN(LayoutChoice choice, chooseLayout(facts));
    STC_ASSIGN_OR_RETURN(int64_t bytes, chosenBytes(facts, choice.layout));
    fixedBytes += bytes;
    if (use.matrix)
      fixedSeconds += seconds(choice.layout, rowsOf(weight), columnsOf(weight), bytes);
  }
  for (WeightOp weight : weights)
    total += uint64_t(weight.getTensorType().getNumElements());
  Progress progress("sensitivity", total, quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  SensitivityOptions options{base, texts.calibration, texts.heldOut, plan.encodings};
  STC_ASSIGN_OR_RETURN(plan.weights, measureSensitivity({cache, cacheIdentity}, module, *store,
                                                        options, weights, uses, progress));
  progress.finish();
  timeEncodings();
  // What no layer reaches costs what it costs.
  llvm::erase_if(plan.weights, [](WeightSensitivity &weight) { return weight.costs.empty(); });
  return plan.weights.empty()
             ? formatError({"", "encodings", {}}, "one that a weight can have", "none")
             : absl::OkStatus();
}

/// Fills in what each encoding of each weight takes for a token, which may have to be measured.
void SearchRecipe::timeEncodings() {
  Progress progress("kernel times", plan.weights.size(),
                    quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  for (WeightSensitivity &weight : plan.weights) {
    for (EncodedCost &cost : weight.costs)
      cost.seconds =
          seconds(cost.layout, rowsOf(weight.weight), columnsOf(weight.weight), cost.bytes);
    StringRef name = weight.weight.getSymName();
    progress.advance(1, {name.data(), name.size()});
  }
  progress.finish();
}

/// What is limited as the weight of an option, what is made small as its cost.
std::vector<std::vector<KnapsackOption>> SearchRecipe::knapsackItems() const {
  std::vector<std::vector<KnapsackOption>> items;
  for (const WeightSensitivity &weight : plan.weights) {
    std::vector<KnapsackOption> &options = items.emplace_back();
    for (const EncodedCost &cost : weight.costs) {
      double effort = plan.bySpeed ? cost.seconds : double(cost.bytes);
      options.push_back(limits.limitsLoss() ? KnapsackOption{cost.divergence, effort}
                                            : KnapsackOption{effort, cost.divergence});
    }
  }
  return items;
}

KnapsackChoice SearchRecipe::solve(double limit) const {
  return solveKnapsack(knapsackItems(), limit);
}

void SearchRecipe::resetWeights() {
  for (WeightOp weight : untouched) {
    store->resetToSource(weight);
    weight.removePruneAttr();
    weight.removeQuantAttr();
    weight->removeAttr(kCalibratedAttr);
  }
}

/// Compresses the model as chosen and measures what it lost.
absl::Status SearchRecipe::compress(std::vector<size_t> chosen, Trial &trial) {
  ModuleOp module = getOperation();
  resetWeights();
  plan.chosen = chosen;
  trial.chosen = std::move(chosen);
  trial.recipe = base;
  // The recipe must say by itself what stays as it is.
  for (const std::string &pattern : exclude)
    trial.recipe.stages.push_back({pattern, "none", "none"});
  std::vector<RecipeStage> chosenStages = plan.stages();
  llvm::append_range(trial.recipe.stages, chosenStages);
  CompressLayersPassOptions options;
  options.quiet = quiet;
  OpPassManager pipeline(ModuleOp::getOperationName());
  pipeline.addPass(createCompressLayersPass(options, trial.recipe));
  if (failed(runPipeline(pipeline, module)))
    return absl::InvalidArgumentError("");
  inStore = trial.chosen;
  STC_ASSIGN_OR_RETURN(trial.measured, divergenceOf(module));
  STC_RETURN_IF_ERROR(trial.measured.add(module, texts.heldOut));
  STC_ASSIGN_OR_RETURN(int64_t bytes, bytesOf(weights));
  trial.bytes = fixedBytes + bytes;
  trial.seconds = fixedSeconds;
  trial.estimated = 0;
  for (size_t i = 0; i < plan.weights.size(); ++i) {
    const EncodedCost &cost = plan.costOf(i);
    trial.seconds += cost.seconds;
    trial.estimated += cost.divergence;
  }
  return absl::OkStatus();
}

absl::Status SearchRecipe::takeBest(const Trial &best) {
  if (inStore != best.chosen) {
    Trial again;
    STC_RETURN_IF_ERROR(compress(best.chosen, again));
  }
  plan.chosen = best.chosen;
  publish(best);
  return absl::OkStatus();
}

/// The quantity that a limit of loss limits, as measured.
double SearchRecipe::lossOf(const Divergence &measured) const {
  if (limits.quantity != Budget::Quantity::Perplexity)
    return measured.divergence();
  return limits.isRatio() ? measured.perplexity() / measured.sourcePerplexity()
                          : measured.perplexity();
}

absl::Status SearchRecipe::unreachable(double nearest) const {
  return formatError({"", "budget", {}}, limits.strWith(nearest) + ", the nearest that is reached",
                     limits.str());
}

/// Losses are limited by what is measured. Estimates know little of what repair and the layers
/// behind make up for, so the limit of the estimate is corrected by the ratio of both.
absl::Status SearchRecipe::searchLoss() {
  // KL in terms of the limit: perplexity grows by about exp(KL). Of an encoder its own measure.
  double limit = limits.limit, wanted = limit;
  if (limits.quantity == Budget::Quantity::Perplexity) {
    Divergence source;
    STC_RETURN_IF_ERROR(source.add(getOperation(), texts.heldOut));
    double ratio = limits.isRatio() ? limit : limit / source.sourcePerplexity();
    if (!(ratio > 1))
      return unreachable(source.sourcePerplexity());
    wanted = std::log(ratio);
  }
  auto measure = [&](const Divergence &measured) {
    return limits.quantity == Budget::Quantity::Perplexity
               ? std::log(measured.perplexity() / measured.sourcePerplexity())
               : measured.divergence();
  };
  std::optional<Trial> best;
  double estimate = wanted, nearest = INFINITY;
  std::vector<std::vector<size_t>> tried;
  for (int round = 0; round <= kAdjustments; ++round) {
    KnapsackChoice choice = solve(estimate);
    if (llvm::is_contained(tried, choice.options))
      break;
    tried.push_back(choice.options);
    Trial trial;
    STC_RETURN_IF_ERROR(compress(choice.options, trial));
    double measured = measure(trial.measured);
    nearest = std::min(nearest, lossOf(trial.measured));
    bool holds = measured <= wanted;
    if (holds) {
      auto effort = [&](const Trial &t) {
        return limits.objective == Budget::Objective::Size ? double(t.bytes) : t.seconds;
      };
      if (!best || effort(trial) < effort(*best))
        best = trial;
      if (measured >= kNearEnough * wanted)
        break;
    }
    // Not even the encodings of least loss hold.
    if (!holds && !choice.fits)
      break;
    double ratio = measured > 0 ? wanted / measured : 4;
    estimate *= std::clamp(ratio * (holds ? 0.97 : 0.93), 0.1, 4.0);
  }
  return best ? takeBest(*best) : unreachable(nearest);
}

/// The encoding that is best for all weights within the limit, by estimate.
std::optional<std::vector<size_t>> SearchRecipe::bestUniform(double limit) const {
  std::vector<std::vector<KnapsackOption>> items = knapsackItems();
  std::optional<std::vector<size_t>> best;
  double least = INFINITY;
  for (size_t encoding = 0; encoding < plan.encodings.size(); ++encoding) {
    std::vector<size_t> chosen;
    double effort = 0, loss = 0;
    for (size_t i = 0; i < items.size(); ++i)
      for (size_t k = 0; k < items[i].size(); ++k)
        if (plan.weights[i].costs[k].encoding == encoding) {
          chosen.push_back(k);
          effort += items[i][k].weight;
          loss += items[i][k].cost;
        }
    if (chosen.size() == items.size() && effort <= limit && loss < least) {
      least = loss;
      best = std::move(chosen);
    }
  }
  return best;
}

/// Bytes and time are limited exactly. The uniform encoding that seems best is tried beside what
/// the estimates choose, and taken if it measures better.
absl::Status SearchRecipe::searchCost() {
  bool byBytes = limits.quantity == Budget::Quantity::Bytes;
  double fixed = byBytes ? double(fixedBytes) : fixedSeconds;
  double most = byBytes ? limits.limit : 1 / limits.limit;
  double limit = most - fixed;
  std::optional<Trial> best;
  for (int round = 0; round <= kAdjustments && !best; ++round) {
    KnapsackChoice choice = solve(limit);
    if (!choice.fits)
      return unreachable(byBytes ? std::ceil(fixed + choice.weight) : 1 / (fixed + choice.weight));
    Trial trial;
    STC_RETURN_IF_ERROR(compress(choice.options, trial));
    // Bytes of bitmaps and blocks depend on which codes turn out to be zero.
    double excess = byBytes ? double(trial.bytes) - most : 0;
    if (excess > 0)
      limit -= 1.5 * excess;
    else
      best = std::move(trial);
  }
  if (!best)
    return unreachable(most * 1.01);
  if (auto uniform = bestUniform(limit); uniform && *uniform != best->chosen) {
    Trial trial;
    STC_RETURN_IF_ERROR(compress(*uniform, trial));
    bool holds = !byBytes || double(trial.bytes) <= most;
    if (holds && trial.measured.divergence() < best->measured.divergence())
      best = std::move(trial);
  }
  return takeBest(*best);
}

/// Leaves the recipe on the module, with what was measured as comments.
void SearchRecipe::publish(const Trial &trial) {
  const Divergence &measured = trial.measured;
  std::string text = absl::StrFormat(
      "# Found for %s. On %d sequences held out of the calibration text, in f32: %s %.3g +- %.2g\n"
      "# (estimated %.3g)%s. All weights take %d bytes.\n",
      limits.str(), texts.heldOut.count, measured.isOfVectors() ? "cosine distance" : "KL",
      measured.divergence(), measured.divergenceError(), trial.estimated,
      measured.isOfVectors() ? ""
                             : absl::StrFormat(", perplexity %.4g, of the source %.4g",
                                               measured.perplexity(), measured.sourcePerplexity()),
      trial.bytes);
  if ((given || bandwidth > 0) && !measured.isOfVectors())
    absl::StrAppendFormat(&text, "# Decoding, by the cost model: %.4g tokens/s.\n",
                          1 / trial.seconds);
  text += trial.recipe.str();
  for (size_t i = 0; i < plan.weights.size(); ++i) {
    WeightOp weight = plan.weights[i].weight;
    std::string reason = plan.reason(i);
    absl::StrAppend(&text, "# ", weight.getSymName().str(), " ", reason, "\n");
    if (verbose)
      emitRemark(weight.getLoc()) << weight.getSymName() << " " << reason;
  }
  getOperation()->setAttr(kRecipeAttr, StringAttr::get(&getContext(), text));
}

absl::Status SearchRecipe::run() {
  STC_RETURN_IF_ERROR(prepare());
  STC_RETURN_IF_ERROR(readTexts());
  STC_RETURN_IF_ERROR(analyze());
  return limits.limitsLoss() ? searchLoss() : searchCost();
}

std::unique_ptr<Pass> createSearchRecipePass(const SearchRecipePassOptions &options,
                                             DecodeCost cost) {
  return std::make_unique<SearchRecipe>(options, std::move(cost));
}

} // namespace stc
