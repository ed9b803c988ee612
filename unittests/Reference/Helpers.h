// Modules, interpreters and golden data for the tests of the reference interpreter.
#ifndef STC_UNITTESTS_REFERENCE_HELPERS_H
#define STC_UNITTESTS_REFERENCE_HELPERS_H

#include "stc/Import/Import.h"
#include "stc/Reference/Interpreter.h"
#include "stc/Support/File.h"
#include "stc/Support/Json.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstdlib>
#include <sys/stat.h>

namespace stc {

/// Where the shared test data lies, or "" on a machine without it.
inline std::string sharedPath(const std::string &name) {
  const char *configured = std::getenv("STC_SHARED_DIR");
  std::string path =
      (configured ? std::string(configured) : std::string(STC_SOURCE_DIR) + "/../shared") + "/" +
      name;
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? path : "";
}

/// A context and a module in it.
struct TestModule {
  TestModule() {
    context.loadDialect<STCDialect, packed::PackedDialect, mlir::arith::ArithDialect,
                        mlir::func::FuncDialect, mlir::tensor::TensorDialect,
                        mlir::linalg::LinalgDialect>();
  }
  /// Parses and verifies `text`.
  bool parse(llvm::StringRef text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    return bool(module);
  }
  /// Imports the checkpoint `path` and attaches its weights.
  absl::Status import(const std::string &path, const ImportOptions &options = {}) {
    STC_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint, Checkpoint::open(path));
    STC_ASSIGN_OR_RETURN(module, importCheckpoint(context, *checkpoint, options));
    WeightStore::attach(&context, std::make_unique<WeightStore>(checkpoint));
    return absl::OkStatus();
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// golden.json of a shared model.
inline JsonValue readGolden(const std::string &model) {
  std::string path = sharedPath("models/" + model + "/golden.json");
  auto text = readFile(path);
  EXPECT_TRUE(text.ok()) << text.status();
  auto json = parseJson(text.value_or("{}"), path);
  EXPECT_TRUE(json.ok()) << json.status();
  return json.ok() ? *std::move(json) : JsonValue();
}

inline std::vector<double> numbers(const JsonValue *array) {
  std::vector<double> result;
  EXPECT_NE(array, nullptr);
  if (array)
    for (const JsonValue &element : array->array)
      result.push_back(element.number);
  return result;
}

inline std::vector<int32_t> tokenList(const JsonValue *array) {
  std::vector<double> values = numbers(array);
  return {values.begin(), values.end()};
}

/// The largest difference between row `row` (from the end where negative) and `expected`, relative
/// to the largest expected value.
inline double distance(const ReferenceTensor &logits, int64_t row,
                       const std::vector<double> &expected) {
  EXPECT_EQ(logits.shape.back(), int64_t(expected.size()));
  if (row < 0)
    row += logits.shape.front();
  double largest = 0, scale = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(logits.values[row * expected.size() + i] - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  return largest / scale;
}

} // namespace stc

#endif // STC_UNITTESTS_REFERENCE_HELPERS_H
