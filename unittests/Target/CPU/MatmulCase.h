// Matrix multiplications for tests: their text, their operands, and what is right.
#ifndef STC_UNITTESTS_TARGET_CPU_MATMULCASE_H
#define STC_UNITTESTS_TARGET_CPU_MATMULCASE_H

#include "KernelHarness.h"

#include "stc/Target/Autotune/MatmulText.h"

#include "gtest/gtest.h"

namespace stc {

Layout makeLayout(LayoutKind kind, ElementKind element, int64_t group = 0, int64_t n = 0,
                  int64_t m = 0);
/// A representative of everything that kernels treat differently.
std::vector<Layout> allLayouts();
/// So that GoogleTest prints a layout's name instead of its bytes.
inline void PrintTo(const Layout &layout, std::ostream *out) { *out << layout.str(); }
/// `text` as the name of a test.
std::string testName(std::string text);

/// A packed.matmul.
struct MatmulProblem {
  Layout layout;
  int64_t rows = 1, columns = 1;
  std::string tokens = "?"; // of the types: a number, or "?"
  bool bias = false, residual = false, gate = false;
  int64_t rotaryPairs = 0; // columns of cos; 0: nothing is turned
  std::string config;      // its lowering configuration as text; empty: none
  bool split = false;      // takes split activations too
  bool rounded = false;    // takes activations rounded once: see MatmulText
  bool perToken = false;   // codes of activations have one scale for each token

  std::string parameters() const;
  std::string body() const;
  std::string str() const;
  MatmulText text() const;
};

enum class WeightPattern {
  Random,    // each kept with a probability, as far as the layout has room
  EmptyRows, // every other row, at random, has none
  OneRow,    // all others have none
  Lowest,    // the least code everywhere, with the greatest zero point
  Highest,   // the greatest code everywhere, with the least zero point
};
enum class InputPattern { Random, Sparse, Lowest, Highest };

/// What the operands of a multiplication are filled with.
struct MatmulData {
  bool exact = true; // small integers and powers of two only: every order of additions is the same
  WeightPattern weights = WeightPattern::Random;
  double density = 1; // of the weights, or blocks of weights, that a layout has room for
  InputPattern inputs = InputPattern::Random;
  Guard guard = Guard::After;
  uint32_t seed = 1;
  bool splitsInputs = false; // a kernel that makes split activations of real ones
  /// Real results are within 1e-6 of the magnitude too, which rounding that goes either way stays
  /// in for a few hundred columns.
  bool isStrict = false;

  /// Whether most results are meant to be zero.
  bool isMostlyZero() const;
  std::string str() const;
};

/// The operands of one run of a kernel, and its results.
class MatmulRun {
public:
  MatmulRun(const MatmulProblem &problem, const MatmulData &data, int64_t tokens);

  std::vector<Argument> arguments() const;
  /// Calls `run` with the arguments, on poisoned results, and compares all of those, the bytes
  /// around them and the modes of arithmetic.
  testing::AssertionResult agrees(llvm::function_ref<void(std::vector<Argument>)> run) const;
  /// The same of a kernel. `furtherArguments` come last.
  testing::AssertionResult agrees(const CompiledKernel &kernel,
                                  std::vector<Argument> furtherArguments = {}) const;
  Buffer<float> &results() { return out; }
  const std::vector<uint8_t> &packedWeights() const { return packed; }
  /// How many results are not zero, without bias and residual.
  int64_t countNonZero() const;

private:
  /// Columns of activations that share a scale.
  int64_t inputGroup() const {
    return problem.perToken ? geometry.paddedColumns : problem.layout.group;
  }
  void makeFloatWeights();
  void makeQuantizedWeights();
  void makeInputs();
  /// Which weights are not zero, [rows][columns].
  std::vector<bool> choosePresent();
  float weightScale();
  float inputScale();
  int64_t greatestWeight() const;
  /// Fills bias, gate, angles and residual.
  void makeEpilogue();
  /// A result, and the sum of the magnitudes that its roundings are of.
  struct Expected {
    double value = 0, magnitude = 0;
  };
  /// With bias and gate, before it is turned.
  Expected expectedSum(int64_t token, int64_t row) const;
  Expected expectedResult(int64_t token, int64_t row) const;
  testing::AssertionResult compare() const;

  const MatmulProblem &problem;
  const MatmulData &data;
  int64_t tokens;
  TileGeometry geometry;
  RandomNumbers random;
  int64_t greatestInput = 127;    // magnitude of an activation's code
  bool hasScales = true;          // other than 1 and -1
  std::vector<double> weights;    // [rows][columns]
  std::vector<double> magnitudes; // of codes times scales and of minimums, together
  std::vector<double> inputs;     // [tokens][columns]
  std::vector<uint8_t> packed;
  std::unique_ptr<Buffer<uint8_t>> weightBytes;
  Buffer<float> x;
  Buffer<int8_t> codes;
  Buffer<float> scales;
  Buffer<int32_t> sums;
  Buffer<uint16_t> halves;
  Buffer<float> out, bias, gate, cos, sin, residual;
};

} // namespace stc

#endif // STC_UNITTESTS_TARGET_CPU_MATMULCASE_H
