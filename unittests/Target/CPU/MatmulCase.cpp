// Matrix multiplications for tests: their text, their operands, and what is right.
#include "MatmulCase.h"

#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/PrettyStackTrace.h"

#include <cmath>

using namespace stc;

/// Numbers up to this, and sums of them, are exact in f32.
static constexpr double kExactIntegers = 1 << 24;
/// Between the least scale product of exact data and four times the greatest one.
static constexpr int64_t kScaleRange = 16;
/// What a split activation is off by, relative to itself.
static constexpr double kSplitError = 0x1p-17;
/// What a code's weight is off by as an f16, relative to itself.
static constexpr double kWideError = 0x1p-11;

Layout stc::makeLayout(LayoutKind kind, ElementKind element, int64_t group, int64_t n, int64_t m) {
  Layout layout;
  layout.kind = kind;
  layout.element = element;
  layout.group = group;
  layout.n = n;
  layout.m = m;
  return layout;
}

std::vector<Layout> stc::allLayouts() {
  std::vector<Layout> layouts = {makeLayout(LayoutKind::Dense, ElementKind::F32),
                                 makeLayout(LayoutKind::Dense, ElementKind::BF16),
                                 makeLayout(LayoutKind::Dense, ElementKind::F16)};
  for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16}) {
    layouts.push_back(makeLayout(LayoutKind::Bitmap, element));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 0, 2, 4));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 0, 3, 8));
  }
  layouts.push_back(makeLayout(LayoutKind::NM, ElementKind::BF16, 0, 15, 16));
  for (auto [n, group] : {std::pair<int64_t, int64_t>(1, 64), {2, 32}, {4, 32}, {4, 128}, {8, 64}})
    layouts.push_back(makeLayout(LayoutKind::Pairs, ElementKind::I4, group, n, 16));
  for (ElementKind element : {ElementKind::I3, ElementKind::I2})
    for (int64_t group : {32, 128})
      layouts.push_back(makeLayout(LayoutKind::Dense, element, group));
  for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2}) {
    layouts.push_back(makeLayout(LayoutKind::Dense, element, 64));
    layouts.back().asymmetric = true;
  }
  // Groups of 16, with nothing, zeros or minimums beside scales, and longer ones with minimums.
  for (ElementKind element : {ElementKind::I8, ElementKind::I4, ElementKind::I3, ElementKind::I2})
    for (int64_t group : {16, 32, 128})
      for (int own : {0, 1, 2}) {
        Layout layout = makeLayout(LayoutKind::Dense, element, group);
        layout.asymmetric = own == 1;
        layout.minimums = own == 2;
        if (verifyLayout(layout).ok() && (group == 16 || own == 2))
          layouts.push_back(layout);
      }
  for (ElementKind element : {ElementKind::I8, ElementKind::I4}) {
    for (int64_t group : {32, 64, 128})
      layouts.push_back(makeLayout(LayoutKind::Dense, element, group));
    for (int64_t group : {32, 128})
      layouts.push_back(makeLayout(LayoutKind::Bitmap, element, group));
    for (int64_t group : {32, 128})
      layouts.push_back(makeLayout(LayoutKind::Block, element, group));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 32, 2, 4));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 64, 3, 8));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 128, 4, 16));
    layouts.push_back(makeLayout(LayoutKind::NM, element, 32, 15, 16));
  }
  // Scales of rows, wherever weights come from.
  for (Layout layout : {makeLayout(LayoutKind::Dense, ElementKind::I8, 128),
                        makeLayout(LayoutKind::Dense, ElementKind::I4, 128),
                        makeLayout(LayoutKind::Dense, ElementKind::I3, 128),
                        makeLayout(LayoutKind::Dense, ElementKind::I2, 128),
                        makeLayout(LayoutKind::Bitmap, ElementKind::I4, 128),
                        makeLayout(LayoutKind::Block, ElementKind::I8, 128),
                        makeLayout(LayoutKind::NM, ElementKind::I4, 128, 2, 4),
                        makeLayout(LayoutKind::Pairs, ElementKind::I4, 128, 4, 16)}) {
    layout.perRow = true;
    layouts.push_back(layout);
    if (layout.element == ElementKind::I4 && layout.kind == LayoutKind::Dense) {
      layouts.push_back(layout);
      layouts.back().asymmetric = true;
    }
  }
  return layouts;
}

std::string stc::testName(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !std::isalnum(c); }, '_');
  return text;
}

//===----------------------------------------------------------------------===//
// Problems and data as text
//===----------------------------------------------------------------------===//

MatmulText MatmulProblem::text() const {
  return {layout,   rows, columns,     tokens,  split,   bias,
          residual, gate, rotaryPairs, rounded, perToken};
}

std::string MatmulProblem::parameters() const { return text().parameters(); }

std::string MatmulProblem::body() const {
  std::string text = absl::StrCat("packed.matmul ", this->text().operands());
  return config.empty() ? text : absl::StrCat(text, " config ", config);
}

std::string MatmulProblem::str() const {
  return absl::StrCat(layout.str(),
                      split      ? " split "
                      : rounded  ? " rounded "
                      : perToken ? " per token "
                                 : " ",
                      rows, "x", columns, " tokens ", tokens, bias ? " bias" : "",
                      gate ? " gate" : "",
                      rotaryPairs > 0 ? absl::StrCat(" rotary of ", rotaryPairs) : "",
                      residual ? " residual" : "", " config ", config.empty() ? "chosen" : config);
}

bool MatmulData::isMostlyZero() const {
  return density < 0.2 || weights == WeightPattern::EmptyRows || weights == WeightPattern::OneRow ||
         inputs == InputPattern::Sparse;
}

std::string MatmulData::str() const {
  const char *weightNames[] = {"random", "empty rows", "one row", "lowest", "highest"};
  const char *inputNames[] = {"random", "sparse", "lowest", "highest"};
  return absl::StrCat(exact ? "exact" : "real", " data, weights ", weightNames[int(weights)],
                      " density ", density, ", inputs ", inputNames[int(inputs)], ", guard ",
                      guard == Guard::Before ? "before" : "after", ", seed ", seed);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

MatmulRun::MatmulRun(const MatmulProblem &problem, const MatmulData &data, int64_t tokens)
    : problem(problem), data(data), tokens(tokens),
      geometry(tileGeometry(problem.layout, problem.rows, problem.columns)), random(data.seed),
      x(tokens, problem.columns, 0, data.guard),
      codes(tokens, geometry.paddedColumns, int8_t(problem.layout.activationOffset()), data.guard),
      scales(tokens, problem.perToken ? 1 : geometry.groups, 0, data.guard),
      sums(tokens, problem.perToken ? 1 : geometry.groups, 0, data.guard),
      halves(tokens, (problem.rounded ? 1 : 2) * splitHalfColumns(problem.columns), 0, data.guard),
      out(tokens, problem.rows, 0, data.guard), bias(1, problem.rows, 0, data.guard),
      gate(tokens, problem.rows, 0, data.guard), cos(tokens, problem.rotaryPairs, 0, data.guard),
      sin(tokens, problem.rotaryPairs, 0, data.guard),
      residual(tokens, problem.rows, 0, data.guard) {
  if (problem.layout.isQuantized()) {
    bool isExtreme = data.inputs == InputPattern::Lowest || data.inputs == InputPattern::Highest;
    if (data.exact && !isExtreme && random.chance(0.5))
      greatestInput = 15;
    hasScales =
        double(greatestWeight() * greatestInput * problem.columns * kScaleRange) < kExactIntegers;
    makeQuantizedWeights();
  } else {
    makeFloatWeights();
  }
  weightBytes = std::make_unique<Buffer<uint8_t>>(packed, data.guard);
  weightBytes->forbidWriting();
  makeInputs();
  makeEpilogue();
}

void MatmulRun::makeEpilogue() {
  for (Buffer<float> *added : {&bias, &residual})
    for (int64_t i = 0; i < added->size(); ++i)
      (*added)[i] = data.exact ? random.integer(-9, 9) : random.real();
  // Doubling keeps sums exact that scales have left a bit for.
  for (int64_t i = 0; i < gate.size(); ++i)
    gate[i] = data.exact ? random.oneOf({1.0f, 1.0f, -1.0f, hasScales ? 2.0f : 1.0f})
                         : random.real(-3, 3);
  for (int64_t i = 0; i < cos.size(); ++i) {
    double angle = random.integer(0, 3) * M_PI / 2;
    if (!data.exact)
      angle = random.real(-3, 3);
    cos[i] = data.exact ? float(std::lround(std::cos(angle))) : float(std::cos(angle));
    sin[i] = data.exact ? float(std::lround(std::sin(angle))) : float(std::sin(angle));
  }
  for (Buffer<float> *input : {&bias, &gate, &cos, &sin, &residual})
    input->forbidWriting();
}

/// Magnitude of the integer that a scale is multiplied with.
int64_t MatmulRun::greatestWeight() const {
  int64_t zero = problem.layout.zeroPoint();
  return problem.layout.isShifted() ? 2 * zero - 1 : zero;
}

float MatmulRun::weightScale() {
  if (!data.exact)
    return random.chance(0.02) ? 0 : random.real(-0.1f, 0.1f);
  return (random.chance(0.5) ? 1 : -1) * (hasScales ? random.oneOf({0.5f, 1.0f, 2.0f}) : 1.0f);
}

float MatmulRun::inputScale() {
  if (!data.exact)
    return random.real(0.001f, 0.1f);
  return hasScales ? random.oneOf({0.5f, 1.0f, 2.0f}) : 1.0f;
}

std::vector<bool> MatmulRun::choosePresent() {
  const Layout &layout = problem.layout;
  std::vector<bool> present(problem.rows * problem.columns);
  std::vector<bool> blocks(geometry.rowTiles * geometry.steps);
  for (size_t i = 0; i < blocks.size(); ++i)
    blocks[i] = random.chance(data.density);
  int64_t only = random.integer(0, problem.rows - 1);
  for (int64_t row = 0; row < problem.rows; ++row) {
    bool isEmpty = (data.weights == WeightPattern::EmptyRows && random.chance(0.5)) ||
                   (data.weights == WeightPattern::OneRow && row != only);
    int64_t room = 0; // of what is left of M columns
    for (int64_t column = 0; column < problem.columns; ++column) {
      bool isPresent = true;
      if (layout.n != 0) {
        if (column % layout.m == 0)
          room = layout.n;
        isPresent = random.integer(1, layout.m - column % layout.m) <= room;
        room -= isPresent;
      }
      if (data.weights != WeightPattern::Lowest && data.weights != WeightPattern::Highest) {
        int64_t block = row / kTileRows * geometry.steps + column / kDotColumns;
        bool isKept = layout.kind == LayoutKind::Block ? blocks[block] && random.chance(0.9)
                                                       : random.chance(data.density);
        isPresent = isPresent && isKept && !isEmpty;
      }
      present[row * problem.columns + column] = isPresent;
    }
  }
  return present;
}

void MatmulRun::makeFloatWeights() {
  std::vector<float> values(problem.rows * problem.columns);
  std::vector<bool> present = choosePresent();
  for (size_t i = 0; i < values.size(); ++i) {
    float value = data.exact ? float(random.integer(-4, 4)) : random.real();
    if (data.weights == WeightPattern::Lowest)
      value = -4;
    if (data.weights == WeightPattern::Highest)
      value = 4;
    if (problem.layout.element == ElementKind::BF16)
      value = bfloat16ToFloat(floatToBfloat16(value));
    else if (problem.layout.element == ElementKind::F16)
      value = halfToFloat(floatToHalf(value));
    values[i] = present[i] ? value : 0;
  }
  weights.assign(values.begin(), values.end());
  packed = packFloats(problem.layout, problem.rows, problem.columns, values).value();
}

void MatmulRun::makeQuantizedWeights() {
  const Layout &layout = problem.layout;
  QuantizedMatrix matrix;
  matrix.rows = problem.rows;
  matrix.columns = problem.columns;
  matrix.group = layout.scaleColumns(problem.columns);
  int64_t lowest = -layout.zeroPoint(), highest = layout.zeroPoint() - 1;
  // Extremes of codes, and the zero point that is furthest from them.
  auto choose = [&](int64_t ifLowest, int64_t ifHighest) {
    if (data.weights == WeightPattern::Lowest)
      return ifLowest;
    if (data.weights == WeightPattern::Highest)
      return ifHighest;
    return random.integer(lowest, highest);
  };
  for (int64_t i = 0; i < problem.rows * matrix.groups(); ++i) {
    matrix.scales.push_back(floatToHalf(weightScale()));
    if (layout.asymmetric)
      matrix.zeros.push_back(choose(highest, lowest));
    if (layout.minimums) {
      // Those of a whole code are exact.
      double code = choose(highest, lowest) - lowest;
      if (!data.exact)
        code += random.real();
      matrix.minimums.push_back(floatToHalf(float(code * halfToFloat(matrix.scales.back()))));
    }
  }
  if (layout.minimums)
    matrix.commonZero = int8_t(lowest);
  std::vector<bool> present = choosePresent();
  for (int64_t row = 0; row < problem.rows; ++row)
    for (int64_t column = 0; column < problem.columns; ++column) {
      int64_t group = column / matrix.group, zero = matrix.zeroOf(row, group);
      int64_t code = present[matrix.codes.size()] ? choose(lowest, highest) : zero;
      matrix.codes.push_back(code);
      double product =
          double(code - zero) * halfToFloat(matrix.scales[row * matrix.groups() + group]);
      double minimum = matrix.minimumOf(row, group);
      weights.push_back(product - minimum);
      magnitudes.push_back(std::abs(product) + std::abs(minimum));
    }
  packed = packQuantized(layout, matrix).value();
}

void MatmulRun::makeInputs() {
  const Layout &layout = problem.layout;
  auto roundedElement = [&] { return layout.isQuantized() ? ElementKind::F16 : layout.element; };
  auto choose = [&](int64_t greatest) {
    if (data.inputs == InputPattern::Lowest)
      return -greatest;
    if (data.inputs == InputPattern::Highest)
      return greatest;
    if (data.inputs == InputPattern::Sparse && random.chance(0.9))
      return int64_t(0);
    return random.integer(-greatest, greatest);
  };
  for (int64_t i = 0; i < scales.size(); ++i)
    scales[i] = inputScale();
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t c = 0; c < problem.columns; ++c) {
      if (!layout.isQuantized() || problem.rounded) {
        x(t, c) = data.exact ? choose(9) : choose(1 << 20) / float(1 << 20);
        float counts = x(t, c);
        if (problem.rounded) {
          bool isBF16 = roundedElement() == ElementKind::BF16;
          uint16_t bits = roundActivation(roundedElement(), counts);
          counts = isBF16 ? bfloat16ToFloat(bits) : halfToFloat(bits);
        }
        inputs.push_back(counts);
        continue;
      }
      int64_t code = choose(greatestInput);
      codes(t, c) = int8_t(code + layout.activationOffset());
      sums(t, c / inputGroup()) += layout.sumFactor() * code;
      inputs.push_back(double(code) * scales(t, c / inputGroup()));
    }
  for (int64_t t = 0; t < tokens; ++t) {
    auto token = absl::MakeConstSpan(&x(t, 0), size_t(x.columns));
    auto own = absl::MakeSpan(&halves(t, 0), size_t(halves.columns));
    if (problem.rounded)
      roundActivations(roundedElement(), token, own);
    else
      splitActivations(token, own);
  }
  x.forbidWriting();
  halves.forbidWriting();
  codes.forbidWriting();
  scales.forbidWriting();
  sums.forbidWriting();
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

std::vector<Argument> MatmulRun::arguments() const {
  std::vector<Argument> arguments = {Argument::address(weightBytes->data())};
  if (problem.layout.isQuantized() && !problem.rounded)
    arguments.insert(arguments.end(),
                     {Argument::matrix(codes), Argument::matrix(scales), Argument::matrix(sums)});
  else if (!problem.layout.isQuantized())
    arguments.push_back(Argument::matrix(x));
  if (problem.split || problem.rounded)
    arguments.push_back(Argument::matrix(halves));
  arguments.push_back(Argument::matrix(out));
  if (problem.bias)
    arguments.push_back(Argument::vector(bias));
  if (problem.gate)
    arguments.push_back(Argument::matrix(gate));
  if (problem.rotaryPairs > 0)
    arguments.insert(arguments.end(), {Argument::matrix(cos), Argument::matrix(sin)});
  if (problem.residual)
    arguments.push_back(Argument::matrix(residual));
  return arguments;
}

testing::AssertionResult MatmulRun::agrees(const CompiledKernel &kernel,
                                           std::vector<Argument> furtherArguments) const {
  return agrees([&](std::vector<Argument> operands) {
    operands.insert(operands.end(), furtherArguments.begin(), furtherArguments.end());
    kernel.run(std::move(operands));
  });
}

testing::AssertionResult
MatmulRun::agrees(llvm::function_ref<void(std::vector<Argument>)> run) const {
  std::string text = absl::StrCat(problem.str(), ", ", tokens, " tokens, ", data.str());
  llvm::PrettyStackTraceString trace(text.c_str());
  std::fill_n(out.data(), out.size(), std::nanf(""));
  uint32_t modes = floatModes();
  run(arguments());
  if (floatModes() != modes)
    return testing::AssertionFailure() << "modes of arithmetic changed: " << text;
  if (!out.isIntact())
    return testing::AssertionFailure() << "bytes beside the results changed: " << text;
  testing::AssertionResult result = compare();
  return result ? result : result << ": " << text;
}

MatmulRun::Expected MatmulRun::expectedSum(int64_t token, int64_t row) const {
  Expected sum;
  auto add = [&](double value) {
    sum.value += value;
    sum.magnitude += std::abs(value);
  };
  const double *weight = &weights[row * problem.columns], *input = &inputs[token * problem.columns];
  for (int64_t c = 0; c < problem.columns; ++c)
    add(weight[c] * input[c]);
  // Products and minimums are rounded before one is taken from the other.
  if (problem.layout.minimums) {
    sum.magnitude = 0;
    for (int64_t c = 0; c < problem.columns; ++c)
      sum.magnitude += magnitudes[row * problem.columns + c] * std::abs(input[c]);
  }
  if (problem.bias)
    add(bias[row]);
  if (problem.gate) {
    double factor = std::max(0.0f, gate(token, row));
    sum = {sum.value * factor, sum.magnitude * factor};
  }
  return sum;
}

MatmulRun::Expected MatmulRun::expectedResult(int64_t token, int64_t row) const {
  Expected result = expectedSum(token, row);
  if (int64_t pairs = problem.rotaryPairs) {
    bool isSecond = row / pairs % 2 != 0;
    Expected other = expectedSum(token, isSecond ? row - pairs : row + pairs);
    double own = cos(token, row % pairs), others = sin(token, row % pairs);
    result = {result.value * own + other.value * (isSecond ? others : -others),
              result.magnitude * std::abs(own) + other.magnitude * std::abs(others)};
  }
  if (problem.residual)
    result = {result.value + residual(token, row),
              result.magnitude + std::abs(residual(token, row))};
  return result;
}

testing::AssertionResult MatmulRun::compare() const {
  // Roundings: of each product or group, of its addition, of what follows them.
  int64_t terms = problem.layout.isQuantized() ? geometry.groups : problem.columns;
  terms += problem.bias + problem.gate + 2 * (problem.rotaryPairs > 0) + problem.residual;
  double unit = std::ldexp(1.0, -24);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t row = 0; row < problem.rows; ++row) {
      Expected expected = expectedResult(t, row);
      double tolerance = data.exact ? 0 : double(terms + 2) * unit * expected.magnitude;
      if (data.isStrict)
        tolerance = std::min(tolerance, 1e-6 * (expected.magnitude + 2));
      if ((problem.split || data.splitsInputs) && !data.exact)
        tolerance += kSplitError * expected.magnitude;
      if (problem.layout.isQuantized() && problem.rounded && !data.exact)
        tolerance += (kWideError + double(problem.columns) * unit) * expected.magnitude;
      if (!(std::abs(out(t, row) - expected.value) <= tolerance))
        return testing::AssertionFailure()
               << "token " << t << " row " << row << " is " << out(t, row) << " instead of "
               << expected.value << " (tolerance " << tolerance << ")";
    }
  return testing::AssertionSuccess();
}

int64_t MatmulRun::countNonZero() const {
  int64_t count = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t row = 0; row < problem.rows; ++row) {
      double sum = out(t, row);
      if (problem.bias)
        sum -= bias[row];
      if (problem.residual)
        sum -= residual(t, row);
      count += sum != 0;
    }
  return count;
}
