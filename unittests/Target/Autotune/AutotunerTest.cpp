// Choosing by measurement: every multiplication gets one of its candidates, measured once.
#include "stc/Target/Autotune/Autotuner.h"

#include "stc/Target/CPU/Passes.h"

#include "../../Support/TempFolder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gmock/gmock.h"

using namespace mlir;
using namespace stc;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

namespace {

constexpr const char *moduleText = R"(
func.func @f(%w: !packed.weight<48x64, #packed.layout<dense, i8, group = 32>>,
             %x: memref<1x64xi8>, %s: memref<1x2xf32>, %t: memref<1x2xi32>, %y: memref<1x48xf32>,
             %xs: memref<?x64xi8>, %ss: memref<?x2xf32>, %ts: memref<?x2xi32>, %ys: memref<?x48xf32>,
             %v: !packed.weight<16x20, #packed.layout<dense, bf16>>,
             %z: memref<1x20xf32>, %u: memref<1x16xf32>) {
  packed.matmul ins(%x, %s, %t : memref<1x64xi8>, memref<1x2xf32>, memref<1x2xi32>)
      weight(%w : !packed.weight<48x64, #packed.layout<dense, i8, group = 32>>)
      outs(%y : memref<1x48xf32>)
  packed.matmul ins(%x, %s, %t : memref<1x64xi8>, memref<1x2xf32>, memref<1x2xi32>)
      weight(%w : !packed.weight<48x64, #packed.layout<dense, i8, group = 32>>)
      outs(%y : memref<1x48xf32>)
  packed.matmul ins(%xs, %ss, %ts : memref<?x64xi8>, memref<?x2xf32>, memref<?x2xi32>)
      weight(%w : !packed.weight<48x64, #packed.layout<dense, i8, group = 32>>)
      outs(%ys : memref<?x48xf32>)
  packed.matmul ins(%z : memref<1x20xf32>)
      weight(%v : !packed.weight<16x20, #packed.layout<dense, bf16>>) outs(%u : memref<1x16xf32>)
  return
})";

class AutotunerTest : public testing::Test {
protected:
  AutotunerTest() {
    DialectRegistry registry;
    registry.insert<packed::PackedDialect, func::FuncDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
      remarks.push_back(diagnostic.str());
      return success();
    });
    options.threads = 2;
    options.promptTokens = 8;
    options.secondsEach = 0;
    options.streamedBytes = 1 << 16;
    options.cacheDirectory = folder.path("cache");
    options.compiler = "this";
  }

  /// Runs the selection; returns the chosen configs.
  std::vector<packed::LoweringConfigAttr> select(Autotuner &tuner) {
    remarks.clear();
    auto module = parseSourceString<ModuleOp>(moduleText, &context);
    PassManager manager(&context);
    manager.addPass(createSelectLoweringConfigPass(SelectLoweringConfigPassOptions(), &tuner));
    EXPECT_TRUE(succeeded(manager.run(*module)));
    std::vector<packed::LoweringConfigAttr> configs;
    module->walk([&](packed::MatmulOp op) { configs.push_back(op.getConfigAttr()); });
    EXPECT_EQ(configs.size(), 4u);
    EXPECT_EQ(configs[0], configs[1]); // equal multiplications, one decision
    return configs;
  }

  TempFolder folder;
  MLIRContext context;
  AutotuneOptions options;
  std::vector<std::string> remarks;
};

TEST_F(AutotunerTest, MeasuresOnceAndRemembers) {
  auto first = Autotuner::create(options).value();
  auto configs = select(*first);
  EXPECT_EQ(first->measured(), 3);
  EXPECT_EQ(first->known(), 0);
  EXPECT_THAT(remarks, Contains(HasSubstr("48x64 dense-int8-g32, 1 token: <")));
  EXPECT_THAT(remarks, Contains(HasSubstr("48x64 dense-int8-g32, prompts: <")));

  auto second = Autotuner::create(options).value();
  EXPECT_EQ(select(*second), configs);
  EXPECT_EQ(second->measured(), 0);
  EXPECT_EQ(second->known(), 3);
  EXPECT_THAT(remarks, Contains(HasSubstr("was measured before")));

  options.compiler = "another";
  auto third = Autotuner::create(options).value();
  select(*third);
  EXPECT_EQ(third->measured(), 3);
}

TEST_F(AutotunerTest, MeasuresAgainWhatIsDamaged) {
  select(*Autotuner::create(options).value());
  std::string file;
  for (const auto &entry : std::filesystem::directory_iterator(options.cacheDirectory))
    file = entry.path();
  std::string text = TempFolder::read(file);
  text.replace(text.rfind("prefetch"), 1, "q");
  std::ofstream(file, std::ios::binary) << text;
  auto tuner = Autotuner::create(options).value();
  select(*tuner);
  EXPECT_EQ(tuner->known(), 2);
  EXPECT_EQ(tuner->measured(), 1);
  EXPECT_THAT(remarks, Contains(HasSubstr("a damaged line, which is ignored")));
}

TEST_F(AutotunerTest, TakesNoStoredConfigThatIsNoCandidate) {
  select(*Autotuner::create(options).value());
  // Written by the rules, so only the value is wrong.
  std::string path;
  for (const auto &entry : std::filesystem::directory_iterator(options.cacheDirectory))
    path = entry.path();
  std::string text = TempFolder::read(path), header = text.substr(0, text.find('\n'));
  std::string prefix = "stc-autotune 1 ";
  ASSERT_EQ(header.substr(0, prefix.size()), prefix);
  TuningCache cache(options.cacheDirectory, header.substr(prefix.size()));
  ASSERT_EQ(cache.path(), path);
  size_t line = text.find('\n') + 1, key = text.find('\t', line) + 1;
  cache.add(text.substr(key, text.find('\t', key) - key),
            "#packed.lowering_config<tokens = 32, accumulators = 1, prefetch = 7>");
  ASSERT_TRUE(cache.save().ok());
  auto tuner = Autotuner::create(options).value();
  auto configs = select(*tuner);
  EXPECT_EQ(tuner->measured(), 1);
  EXPECT_THAT(remarks, Contains(HasSubstr("expected one of the candidates, got ")));
  for (packed::LoweringConfigAttr config : configs)
    EXPECT_NE(config.getPrefetch(), 7);
}

TEST_F(AutotunerTest, KeepsTheModelsChoiceWhenTimeIsOver) {
  options.seconds = -1;
  auto tuner = Autotuner::create(options).value();
  auto configs = select(*tuner);
  EXPECT_EQ(tuner->left(), 3);
  EXPECT_EQ(tuner->measured(), 0);
  EXPECT_THAT(remarks, Contains(HasSubstr("no time is left to measure")));
  auto module = parseSourceString<ModuleOp>(moduleText, &context);
  PassManager manager(&context);
  manager.addPass(createSelectLoweringConfigPass());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  size_t i = 0;
  module->walk([&](packed::MatmulOp op) { EXPECT_EQ(op.getConfigAttr(), configs[i++]); });
  // Nothing was learned, so nothing is kept.
  EXPECT_FALSE(std::filesystem::exists(options.cacheDirectory));
}

TEST_F(AutotunerTest, WorksWithoutACacheDirectory) {
  options.cacheDirectory = folder.write("file", "") + "/sub"; // cannot be made
  auto tuner = Autotuner::create(options).value();
  select(*tuner);
  EXPECT_EQ(tuner->measured(), 3);
  EXPECT_THAT(remarks, Contains(HasSubstr("nothing is kept: ")));
}

TEST_F(AutotunerTest, RefusesWhatItCannotRun) {
  for (const char *target : {"aarch64", "riscv64"}) {
    options.target = target;
    EXPECT_THAT(std::string(Autotuner::create(options).status().message()),
                HasSubstr("--autotune: expected a --target that this machine can run and measure"));
  }
}

} // namespace
