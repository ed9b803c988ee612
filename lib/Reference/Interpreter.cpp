// The interpreter's face: checks arguments, runs functions, and feeds tokens to whole models.
#include "stc/Reference/Interpreter.h"

#include "Evaluator.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace stc;

struct Interpreter::State {
  State(ModuleOp module, absl::Span<const uint8_t> section) : evaluator(module, section) {}
  Evaluator evaluator;
};

Interpreter::Interpreter(ModuleOp module, absl::Span<const uint8_t> weightsSection)
    : state(std::make_unique<State>(module, weightsSection)) {}
Interpreter::~Interpreter() = default;

static std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// An argument as the evaluator keeps it; an error unless it fits the parameter's type.
static absl::StatusOr<Slot> toSlot(Type type, Interpreter::Value argument, const ErrorSite &site) {
  if (auto *tensor = std::get_if<ReferenceTensor>(&argument)) {
    auto expected = dyn_cast<RankedTensorType>(type);
    size_t count = 1;
    for (int64_t size : tensor->shape)
      count *= size;
    if (!expected || expected.getRank() != int64_t(tensor->shape.size()) ||
        failed(verifyCompatibleShape(expected.getShape(), tensor->shape)) ||
        count != tensor->values.size())
      return formatError(site, typeText(type),
                         absl::StrCat("a tensor of shape ", shapeText(tensor->shape)));
    return Slot(std::make_shared<const ReferenceTensor>(std::move(*tensor)));
  }
  if (auto *integer = std::get_if<int64_t>(&argument)) {
    if (!type.isIntOrIndex())
      return formatError(site, typeText(type), "an integer");
    return Slot(*integer);
  }
  if (auto *number = std::get_if<double>(&argument)) {
    if (!isa<FloatType>(type))
      return formatError(site, typeText(type), "a float");
    return Slot(*number);
  }
  auto cache = std::get<std::shared_ptr<ReferenceCache>>(argument);
  if (!isa<KVCacheType>(type) || !cache)
    return formatError(site, typeText(type), "a cache");
  return Slot(std::move(cache));
}

absl::StatusOr<std::vector<Interpreter::Value>> Interpreter::run(llvm::StringRef name,
                                                                 std::vector<Value> arguments) {
  ErrorSite site{"", absl::StrCat("function @", name.str()), {}};
  auto function = state->evaluator.findFunction(name);
  if (!function)
    return formatError(site, "a function", "none of that name");
  if (function.getNumArguments() != arguments.size())
    return formatError(site, absl::StrCat(function.getNumArguments(), " arguments"),
                       absl::StrCat(arguments.size()));
  std::vector<Slot> slots;
  for (auto [type, argument] : llvm::zip_equal(function.getArgumentTypes(), arguments)) {
    STC_ASSIGN_OR_RETURN(Slot slot, toSlot(type, std::move(argument), site));
    slots.push_back(std::move(slot));
  }
  STC_ASSIGN_OR_RETURN(std::vector<Slot> results, state->evaluator.call(name, std::move(slots)));
  std::vector<Value> values;
  for (Slot &slot : results) {
    if (auto *tensor = std::get_if<TensorPtr>(&slot))
      values.emplace_back(**tensor);
    else if (auto *integer = std::get_if<int64_t>(&slot))
      values.emplace_back(*integer);
    else if (auto *number = std::get_if<double>(&slot))
      values.emplace_back(*number);
    else if (auto *cache = std::get_if<std::shared_ptr<ReferenceCache>>(&slot))
      values.emplace_back(*cache);
    else
      return formatError(site, "results that are tensors, numbers or caches", "a packed weight");
  }
  return values;
}

/// The one tensor a function returns.
static absl::StatusOr<ReferenceTensor>
onlyTensor(absl::StatusOr<std::vector<Interpreter::Value>> results, llvm::StringRef name) {
  STC_RETURN_IF_ERROR(results.status());
  if (results->size() != 1 || !std::holds_alternative<ReferenceTensor>(results->front()))
    return formatError({"", absl::StrCat("function @", name.str()), {}}, "one tensor as result",
                       absl::StrCat(results->size(), " results"));
  return std::get<ReferenceTensor>(std::move(results->front()));
}

/// Token ids as a tensor.
static ReferenceTensor tokenTensor(absl::Span<const int32_t> tokens) {
  ReferenceTensor result;
  result.shape = {int64_t(tokens.size())};
  result.values.assign(tokens.begin(), tokens.end());
  return result;
}

absl::StatusOr<ReferenceTensor> Interpreter::logits(absl::Span<const int32_t> tokens, Feed feed,
                                                    absl::Span<const int32_t> encoderTokens,
                                                    absl::Span<const double> rows) {
  auto has = [&](llvm::StringRef name) { return bool(state->evaluator.findFunction(name)); };
  bool graph = has("forward"), isHeadless = !has(graph ? "head" : "score");
  if ((isHeadless || !rows.empty()) && feed == Feed::OneByOne)
    return formatError({"", "encoder", {}}, "all tokens at once, for they see each other",
                       "one by one");
  auto cache = std::make_shared<ReferenceCache>();
  if (!rows.empty() && (tokens.empty() || rows.size() % tokens.size() != 0))
    return formatError({"", "rows", {}}, "as many rows as tokens, one or more",
                       absl::StrCat(rows.size(), " numbers for ", tokens.size(), " tokens"));
  bool hasEncoder = has("encode");
  if (hasEncoder == encoderTokens.empty())
    return formatError({"", "encoder-tokens", {}},
                       hasEncoder ? "the tokens that @encode reads" : "none without @encode",
                       hasEncoder ? "none" : "some");
  if (hasEncoder)
    STC_RETURN_IF_ERROR(this->run("encode", {tokenTensor(encoderTokens), cache}).status());
  auto run = [&](llvm::StringRef name, std::vector<Value> arguments) {
    return onlyTensor(this->run(name, std::move(arguments)), name);
  };
  // Runs `count` tokens at `position` through the entry points there are.
  auto step = [&](int64_t position, int64_t count) -> absl::StatusOr<ReferenceTensor> {
    std::vector<Value> arguments{tokenTensor(tokens.subspan(size_t(position), size_t(count)))};
    if (!rows.empty())
      arguments.emplace_back(
          ReferenceTensor{{count, int64_t(rows.size()) / count}, {rows.begin(), rows.end()}});
    arguments.emplace_back(position);
    if (hasEncoder)
      arguments.emplace_back(int64_t(encoderTokens.size()));
    arguments.emplace_back(cache);
    if (!graph && feed == Feed::OneByOne)
      return run("decode", std::move(arguments));
    STC_ASSIGN_OR_RETURN(ReferenceTensor hidden,
                         run(graph ? "forward" : "prefill", std::move(arguments)));
    if (isHeadless)
      return hidden;
    return run(graph ? "head" : "score", {std::move(hidden)});
  };
  if (feed == Feed::Together)
    return step(0, tokens.size());
  ReferenceTensor all;
  for (size_t position = 0; position < tokens.size(); ++position) {
    STC_ASSIGN_OR_RETURN(ReferenceTensor row, step(position, 1));
    all.values.insert(all.values.end(), row.values.begin(), row.values.end());
    all.shape = {int64_t(position + 1), columnsOf(row)};
  }
  return all;
}
