// stc-interpret: runs the module in float64 and prints what it computes.
#include "stc/Reference/Passes.h"

#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Reference/Interpreter.h"
#include "stc/Support/File.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace mlir;

namespace stc {
#define GEN_PASS_DEF_INTERPRET
#include "stc/Reference/Passes.h.inc"
} // namespace stc

using namespace stc;

/// Nine digits: more than f32 carries, so that rounding to f32 shows.
static void printNumbers(llvm::raw_ostream &os, absl::Span<const double> numbers) {
  for (size_t i = 0; i < numbers.size(); ++i)
    os << (i ? " " : "") << llvm::format("%.9g", numbers[i]);
  os << '\n';
}

static void printTensor(llvm::raw_ostream &os, const ReferenceTensor &tensor) {
  llvm::interleave(tensor.shape, os, "x");
  os << '\n';
  size_t columns = tensor.shape.empty() ? 1 : std::max<int64_t>(1, tensor.shape.back());
  for (size_t at = 0; at < tensor.values.size(); at += columns)
    printNumbers(os, absl::MakeSpan(tensor.values).subspan(at, columns));
}

namespace {

struct InterpretPass : stc::impl::InterpretBase<InterpretPass> {
  using InterpretBase::InterpretBase;

  void runOnOperation() override {
    markAllAnalysesPreserved();
    if (absl::Status status = interpret(); !status.ok()) {
      (void)emitStatus(getOperation(), status);
      signalPassFailure();
    }
  }

  absl::Status interpret() {
    if (function.empty() == tokens.empty())
      return formatError({"", "stc-interpret", {}}, "one of the options tokens and function",
                         function.empty() ? "neither" : "both");
    std::shared_ptr<MappedFile> section;
    if (!weights.empty()) {
      STC_ASSIGN_OR_RETURN(section, MappedFile::open(weights));
    }
    Interpreter interpreter(getOperation(),
                            section ? section->bytes() : absl::Span<const uint8_t>());
    return function.empty() ? runModel(interpreter) : runFunction(interpreter);
  }

  absl::Status runModel(Interpreter &interpreter) {
    std::vector<int32_t> ids(tokens.begin(), tokens.end());
    std::vector<int32_t> encoderIds(encoderTokens.begin(), encoderTokens.end());
    std::vector<double> rowNumbers(rows.begin(), rows.end());
    auto feed = oneByOne ? Interpreter::Feed::OneByOne : Interpreter::Feed::Together;
    STC_ASSIGN_OR_RETURN(ReferenceTensor logits,
                         interpreter.logits(ids, feed, encoderIds, rowNumbers));
    size_t vocabulary = size_t(logits.shape.back());
    auto last = absl::MakeSpan(logits.values).last(vocabulary);
    llvm::outs() << "argmax " << std::max_element(last.begin(), last.end()) - last.begin() << '\n';
    size_t first = all ? 0 : logits.values.size() - vocabulary;
    for (size_t at = first; at < logits.values.size(); at += vocabulary) {
      llvm::outs() << "logits ";
      printNumbers(llvm::outs(), absl::MakeSpan(logits.values)
                                     .subspan(at, vocabulary)
                                     .subspan(0, std::max<int64_t>(0, max)));
    }
    return absl::OkStatus();
  }

  absl::Status runFunction(Interpreter &interpreter) {
    std::vector<Interpreter::Value> arguments;
    if (auto callee = getOperation().lookupSymbol<func::FuncOp>(function))
      for (Type type : callee.getArgumentTypes()) {
        if (isa<KVCacheType>(type))
          arguments.emplace_back(std::make_shared<ReferenceCache>());
        else if (type.isIndex())
          arguments.emplace_back(int64_t(0));
      }
    STC_ASSIGN_OR_RETURN(std::vector<Interpreter::Value> results,
                         interpreter.run(function, std::move(arguments)));
    for (const Interpreter::Value &result : results) {
      if (auto *tensor = std::get_if<ReferenceTensor>(&result))
        printTensor(llvm::outs(), *tensor);
      else if (auto *integer = std::get_if<int64_t>(&result))
        llvm::outs() << *integer << '\n';
      else if (auto *number = std::get_if<double>(&result))
        printNumbers(llvm::outs(), absl::MakeConstSpan(number, 1));
    }
    return absl::OkStatus();
  }
};

} // namespace
