// Several matrices times the same token as one sequence, and copies that begin before the token's
// activations are there.
#include "../CPU/MatmulCase.h"
#include "BlockEmulator.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

using namespace stc;

namespace {

constexpr const char *kTarget = "nvptx-sm_90";
constexpr const char *kConfig =
    " config <tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 1>\n";

/// The loops that follow each other.
std::string loopsOf(std::initializer_list<std::string> loops, absl::string_view between) {
  std::string body;
  for (const std::string &loop : loops)
    absl::StrAppend(&body, body.empty() ? "" : between, loop);
  return body;
}

std::unique_ptr<EmulatedKernel> compile(const std::string &parameters, const std::string &body) {
  auto kernel = EmulatedKernel::create(parameters, body, kTarget, "", /*distributes=*/true);
  if (!kernel.ok()) {
    ADD_FAILURE() << kernel.status();
    return nullptr;
  }
  return *std::move(kernel);
}

class JoinedMatvec : public testing::TestWithParam<Layout> {};

} // namespace

/// Queries and keys are turned, so that their tiles come in pairs; values are not. All have
/// biases, and are what they are one after the other.
TEST_P(JoinedMatvec, GivesWhatMatricesGiveAlone) {
  MatmulProblem turned;
  turned.layout = GetParam();
  turned.tokens = "1";
  turned.rows = 192;
  turned.columns = 600;
  turned.rotaryPairs = 32;
  turned.bias = true;
  MatmulProblem plain = turned;
  plain.rotaryPairs = 0;
  auto loop = [&](const MatmulProblem &problem, int64_t count, absl::string_view weight,
                  absl::string_view out) {
    std::string operands = absl::StrReplaceAll(
        problem.text().operands(), {{"weight(%w ", absl::StrCat("weight(", weight, " ")},
                                    {"outs(%y ", absl::StrCat("outs(", out, " ")}});
    return absl::StrCat("scf.forall (%i) in (", count, ") {\n  packed.matmul_tile %i ", operands,
                        kConfig, "}\n");
  };
  std::string queries = loop(turned, 6, "%w", "%y"), keys = loop(turned, 6, "%keys", "%second"),
              values = loop(plain, 12, "%values", "%third");
  // The weight's type, as the parameters say it.
  std::string parameters = turned.parameters();
  size_t begin = parameters.find("!packed.weight<"), end = parameters.find(">>", begin) + 2;
  std::string type = parameters.substr(begin, end - begin);
  absl::StrAppend(&parameters, ", %keys: ", type, ", %values: ", type,
                  ", %second: memref<1x192xf32>, %third: memref<1x192xf32>");
  auto joined = compile(parameters, loopsOf({queries, keys, values}, ""));
  auto alone = compile(parameters, loopsOf({queries, keys, values}, "packed.barrier\n"));
  ASSERT_TRUE(joined && alone);
  // The first copies of a unit stand twice in the code of each sequence, before it and in it.
  const char *commit = "llvm.nvvm.cp.async.commit.group";
  EXPECT_EQ(alone->countIntrinsics(commit), 3 * joined->countIntrinsics(commit));
  EXPECT_GT(joined->countIntrinsics(commit), 0);

  MatmulData data, ofKeys, ofValues;
  data.guard = ofKeys.guard = ofValues.guard = Guard::Before;
  ofKeys.seed = 2;
  ofValues.seed = 3;
  MatmulRun run(turned, data, 1);
  Buffer<uint8_t> keyWeights(MatmulRun(turned, ofKeys, 1).packedWeights(), Guard::Before),
      valueWeights(MatmulRun(turned, ofValues, 1).packedWeights(), Guard::Before);
  std::vector<float> results[2];
  for (const EmulatedKernel *kernel : {joined.get(), alone.get()}) {
    Buffer<float> second(1, 192, 0, Guard::Before), third(1, 192, 0, Guard::Before);
    EXPECT_TRUE(run.agrees([&](std::vector<Argument> arguments) {
      arguments.push_back(Argument::address(keyWeights.data()));
      arguments.push_back(Argument::address(valueWeights.data()));
      arguments.push_back(Argument::matrix(second));
      arguments.push_back(Argument::matrix(third));
      kernel->run(std::move(arguments));
    }));
    std::vector<float> &own = results[kernel == alone.get()];
    own.assign(second.data(), second.data() + 192);
    own.insert(own.end(), third.data(), third.data() + 192);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_NE(std::vector<float>(results[0].begin(), results[0].begin() + 192),
            std::vector<float>(results[0].begin() + 192, results[0].end()));
}

INSTANTIATE_TEST_SUITE_P(Layouts, JoinedMatvec,
                         testing::Values(makeLayout(LayoutKind::Dense, ElementKind::I4, 128),
                                         makeLayout(LayoutKind::Dense, ElementKind::I8, 32),
                                         makeLayout(LayoutKind::Dense, ElementKind::I3, 32)),
                         [](auto info) { return testName(info.param.str()); });

/// What every block does for itself leaves alone the weights that are on their way.
TEST(StartedMatvec, StartsCopiesBeforeActivationsAreThere) {
  MatmulProblem problem;
  problem.layout = makeLayout(LayoutKind::Dense, ElementKind::I4, 128);
  problem.tokens = "1";
  problem.rows = 96;
  problem.columns = 2048;
  std::string parameters =
      absl::StrCat(problem.parameters(), ", %row: memref<1x2048xf32>, %gains: memref<2048xf32>");
  std::string prepare = R"(
    %normed = memref.alloca() : memref<1x2048xf32>
    %c = memref.alloca() : memref<1x2048xi8>
    %s = memref.alloca() : memref<1x16xf32>
    %t = memref.alloca() : memref<1x16xi32>
    scf.forall (%i) in (1) {
      packed.rms_norm ins(%row, %gains : memref<1x2048xf32>, memref<2048xf32>)
          outs(%normed : memref<1x2048xf32>) groups 1 epsilon 1.0e-5
    } {packed.replicated}
    scf.forall (%i) in (1) {
      packed.quantize_activations ins(%normed : memref<1x2048xf32>)
          outs(%c, %s, %t : memref<1x2048xi8>, memref<1x16xf32>, memref<1x16xi32>)
          group 128 sum_factor -8
    } {packed.replicated}
)";
  std::string operands =
      absl::StrReplaceAll(problem.text().operands(), {{"ins(%x0, %x1, %x2", "ins(%c, %s, %t"}});
  std::string loop =
      absl::StrCat("scf.forall (%i) in (6) {\n  packed.matmul_tile %i ", operands, kConfig, "}\n");
  auto early = compile(parameters, absl::StrCat(prepare, loop));
  auto late = compile(parameters, absl::StrCat(prepare, "packed.barrier\n", loop));
  ASSERT_TRUE(early && late);
  MatmulData data;
  data.guard = Guard::Before;
  MatmulRun run(problem, data, 1);
  Buffer<float> row(1, 2048, 0, Guard::Before), gains(1, 2048, 1, Guard::Before);
  for (int64_t i = 0; i < 2048; ++i)
    row[i] = float(i * 37 % 101) - 50;
  std::vector<float> results[2];
  for (const EmulatedKernel *kernel : {early.get(), late.get()}) {
    std::vector<Argument> arguments = run.arguments();
    arguments.push_back(Argument::matrix(row));
    arguments.push_back(Argument::matrix(gains));
    kernel->run(std::move(arguments));
    results[kernel == late.get()].assign(run.results().data(), run.results().data() + problem.rows);
  }
  EXPECT_EQ(results[0], results[1]);
}
