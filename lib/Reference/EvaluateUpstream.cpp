// Runs the few upstream operations that stc and packed graphs use.
#include "Evaluator.h"

#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace stc;

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// `value` as a signed integer of the type's width; an index has 64 bits.
static int64_t wrap(uint64_t value, Type type) {
  if (type.isInteger(1))
    return int64_t(value & 1);
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  if (width >= 64)
    return value;
  return static_cast<int64_t>(value << (64 - width)) >> (64 - width);
}

/// Applies integer or float arithmetic element by element, to scalars and to tensors alike.
template <typename Function>
static absl::Status applyFloat(Frame &frame, Operation *op, Function function) {
  llvm::SmallVector<const ReferenceTensor *> tensors;
  llvm::SmallVector<double> scalars;
  for (Value operand : op->getOperands()) {
    if (auto *tensor = std::get_if<TensorPtr>(&frame[operand]))
      tensors.push_back(tensor->get());
    else
      scalars.push_back(frame.scalar(operand));
  }
  if (tensors.empty()) {
    frame.set(op->getResult(0), Slot(double(function(scalars))));
    return absl::OkStatus();
  }
  ReferenceTensor result = *tensors.front();
  for (const ReferenceTensor *tensor : tensors)
    if (tensor->shape != result.shape)
      return opError(op, absl::StrCat("operands of shape ", shapeText(result.shape)),
                     shapeText(tensor->shape));
  scalars.resize(tensors.size());
  for (size_t i = 0; i < result.values.size(); ++i) {
    for (auto [scalar, tensor] : llvm::zip_equal(scalars, tensors))
      scalar = tensor->values[i];
    result.values[i] = function(scalars);
  }
  frame.set(op->getResult(0), std::move(result));
  return absl::OkStatus();
}

template <typename Function>
static absl::Status applyInteger(Frame &frame, Operation *op, Function function) {
  Type type = getElementTypeOrSelf(op->getResult(0).getType());
  if (auto shaped = dyn_cast<ShapedType>(op->getResult(0).getType()))
    return applyFloat(frame, op, [&](llvm::ArrayRef<double> x) {
      return double(wrap(function(int64_t(x[0]), int64_t(x.back())), type));
    });
  int64_t a = frame.integer(op->getOperand(0)), b = frame.integer(op->getOperands().back());
  frame.set(op->getResult(0), Slot(wrap(function(a, b), type)));
  return absl::OkStatus();
}

/// A constant's attribute as a value.
static absl::StatusOr<Slot> constant(Operation *op, Attribute value) {
  if (auto integer = dyn_cast<IntegerAttr>(value))
    return Slot(integer.getValue().getBitWidth() == 1 ? int64_t(integer.getValue().getZExtValue())
                                                      : integer.getValue().getSExtValue());
  if (auto number = dyn_cast<FloatAttr>(value))
    return Slot(number.getValueAsDouble());
  auto elements = dyn_cast<DenseElementsAttr>(value);
  if (!elements)
    return opError(op, "an integer, float or dense constant", "another kind of attribute");
  if (elements.getNumElements() > kLargestTensor)
    return opError(op, absl::StrCat("at most ", kLargestTensor, " elements"),
                   shapeText(elements.getType().getShape()));
  auto tensor = std::make_shared<ReferenceTensor>();
  tensor->shape = elements.getType().getShape().vec();
  if (isa<FloatType>(elements.getElementType())) {
    for (APFloat element : elements.getValues<APFloat>()) {
      bool inexact;
      element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
      tensor->values.push_back(element.convertToDouble());
    }
  } else {
    bool isBoolean = elements.getElementType().isInteger(1);
    for (const APInt &element : elements.getValues<APInt>())
      tensor->values.push_back(isBoolean ? double(element.getZExtValue())
                                         : double(element.getSExtValue()));
  }
  return Slot(TensorPtr(std::move(tensor)));
}

/// Rounds to the result's float type: the one place where a graph asks for less than float64.
static double roundTo(Type type, double value) {
  if (type.isF32())
    return static_cast<float>(value);
  if (type.isBF16())
    return bfloat16ToFloat(floatToBfloat16(static_cast<float>(value)));
  if (type.isF16())
    return halfToFloat(floatToHalf(static_cast<float>(value)));
  return value;
}

static std::optional<absl::Status> evaluateArith(Frame &frame, Operation *op) {
  using Result = std::optional<absl::Status>;
  using Floats = llvm::ArrayRef<double>;
  auto floats = [&](auto function) { return Result(applyFloat(frame, op, function)); };
  auto integers = [&](auto function) { return Result(applyInteger(frame, op, function)); };
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](arith::ConstantOp op) -> Result {
        auto slot = constant(op, op.getValue());
        if (slot.ok())
          frame.set(op.getResult(), *std::move(slot));
        return slot.status();
      })
      .Case([&](arith::AddFOp) { return floats([](Floats x) { return x[0] + x[1]; }); })
      .Case([&](arith::SubFOp) { return floats([](Floats x) { return x[0] - x[1]; }); })
      .Case([&](arith::MulFOp) { return floats([](Floats x) { return x[0] * x[1]; }); })
      .Case([&](arith::DivFOp) { return floats([](Floats x) { return x[0] / x[1]; }); })
      .Case([&](arith::NegFOp) { return floats([](Floats x) { return -x[0]; }); })
      .Case([&](arith::MaximumFOp) {
        return floats([](Floats x) { return x[0] > x[1] || std::isnan(x[0]) ? x[0] : x[1]; });
      })
      .Case([&](arith::MinimumFOp) {
        return floats([](Floats x) { return x[0] < x[1] || std::isnan(x[0]) ? x[0] : x[1]; });
      })
      .Case([&](arith::ExtFOp) { return floats([](Floats x) { return x[0]; }); })
      .Case([&](arith::TruncFOp op) {
        Type type = getElementTypeOrSelf(op.getType());
        return floats([type](Floats x) { return roundTo(type, x[0]); });
      })
      .Case([&](arith::AddIOp) { return integers([](uint64_t a, uint64_t b) { return a + b; }); })
      .Case([&](arith::SubIOp) { return integers([](uint64_t a, uint64_t b) { return a - b; }); })
      .Case([&](arith::MulIOp) { return integers([](uint64_t a, uint64_t b) { return a * b; }); })
      .Case([&](arith::AndIOp) { return integers([](uint64_t a, uint64_t b) { return a & b; }); })
      .Case([&](arith::OrIOp) { return integers([](uint64_t a, uint64_t b) { return a | b; }); })
      .Case([&](arith::XOrIOp) { return integers([](uint64_t a, uint64_t b) { return a ^ b; }); })
      .Case([&](arith::MaxSIOp) {
        return integers([](int64_t a, int64_t b) { return uint64_t(std::max(a, b)); });
      })
      .Case([&](arith::MinSIOp) {
        return integers([](int64_t a, int64_t b) { return uint64_t(std::min(a, b)); });
      })
      .Case<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(
          [&](Operation *) { return integers([](uint64_t a, uint64_t) { return a; }); })
      .Case([&](arith::ExtUIOp op) {
        unsigned width = getElementTypeOrSelf(op.getIn().getType()).getIntOrFloatBitWidth();
        uint64_t mask = width >= 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1;
        return integers([mask](uint64_t a, uint64_t) { return a & mask; });
      })
      .Case<arith::MaxNumFOp>(
          [&](Operation *) { return floats([](Floats x) { return std::fmax(x[0], x[1]); }); })
      .Case<arith::MinNumFOp>(
          [&](Operation *) { return floats([](Floats x) { return std::fmin(x[0], x[1]); }); })
      .Default([](Operation *) { return Result(); });
}

static std::optional<absl::Status> evaluateMath(Frame &frame, Operation *op) {
  using Floats = llvm::ArrayRef<double>;
  double (*function)(Floats) =
      llvm::TypeSwitch<Operation *, double (*)(Floats)>(op)
          .Case([](math::ExpOp) { return [](Floats x) { return std::exp(x[0]); }; })
          .Case([](math::LogOp) { return [](Floats x) { return std::log(x[0]); }; })
          .Case([](math::SqrtOp) { return [](Floats x) { return std::sqrt(x[0]); }; })
          .Case([](math::RsqrtOp) { return [](Floats x) { return 1 / std::sqrt(x[0]); }; })
          .Case([](math::AbsFOp) { return [](Floats x) { return std::fabs(x[0]); }; })
          .Case([](math::CbrtOp) { return [](Floats x) { return std::cbrt(x[0]); }; })
          .Case([](math::CeilOp) { return [](Floats x) { return std::ceil(x[0]); }; })
          .Case([](math::FloorOp) { return [](Floats x) { return std::floor(x[0]); }; })
          .Case([](math::RoundEvenOp) { return [](Floats x) { return std::nearbyint(x[0]); }; })
          .Case([](math::ExpM1Op) { return [](Floats x) { return std::expm1(x[0]); }; })
          .Case([](math::Log1pOp) { return [](Floats x) { return std::log1p(x[0]); }; })
          .Case([](math::TanOp) { return [](Floats x) { return std::tan(x[0]); }; })
          .Case([](math::Atan2Op) { return [](Floats x) { return std::atan2(x[0], x[1]); }; })
          .Case([](math::SinOp) { return [](Floats x) { return std::sin(x[0]); }; })
          .Case([](math::CosOp) { return [](Floats x) { return std::cos(x[0]); }; })
          .Case([](math::TanhOp) { return [](Floats x) { return std::tanh(x[0]); }; })
          .Case([](math::ErfOp) { return [](Floats x) { return std::erf(x[0]); }; })
          .Case([](math::PowFOp) { return [](Floats x) { return std::pow(x[0], x[1]); }; })
          .Default([](Operation *) { return nullptr; });
  return function ? std::optional(applyFloat(frame, op, function)) : std::nullopt;
}

/// Comparisons and choices, of numbers that are no tensors.
static std::optional<absl::Status> evaluateChoice(Frame &frame, Operation *op) {
  if (isa<ShapedType>(op->getResult(0).getType()))
    return std::nullopt;
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    Type type = compare.getLhs().getType();
    unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
    llvm::APInt left(width, uint64_t(frame.integer(compare.getLhs())), true, true);
    llvm::APInt right(width, uint64_t(frame.integer(compare.getRhs())), true, true);
    frame.set(compare.getResult(),
              Slot(int64_t(arith::applyCmpPredicate(compare.getPredicate(), left, right))));
    return absl::OkStatus();
  }
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    bool holds = arith::applyCmpPredicate(compare.getPredicate(),
                                          llvm::APFloat(frame.scalar(compare.getLhs())),
                                          llvm::APFloat(frame.scalar(compare.getRhs())));
    frame.set(compare.getResult(), Slot(int64_t(holds)));
    return absl::OkStatus();
  }
  if (auto choice = dyn_cast<arith::SelectOp>(op)) {
    bool first = frame.integer(choice.getCondition()) != 0;
    frame.set(choice.getResult(), frame[first ? choice.getTrueValue() : choice.getFalseValue()]);
    return absl::OkStatus();
  }
  if (isa<arith::SIToFPOp, arith::UIToFPOp>(op)) {
    frame.set(op->getResult(0), Slot(double(frame.integer(op->getOperand(0)))));
    return absl::OkStatus();
  }
  if (isa<arith::FPToSIOp>(op)) {
    double number = frame.scalar(op->getOperand(0));
    if (!(std::fabs(number) < 0x1p63))
      return opError(op, "a number that an integer can be", absl::StrCat(number));
    frame.set(op->getResult(0), Slot(wrap(uint64_t(int64_t(number)), op->getResult(0).getType())));
    return absl::OkStatus();
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

llvm::SmallVector<int64_t> stc::resolve(const Frame &frame, llvm::ArrayRef<OpFoldResult> mixed) {
  llvm::SmallVector<int64_t> numbers;
  for (OpFoldResult value : mixed) {
    if (std::optional<int64_t> number = getConstantIntValue(value))
      numbers.push_back(*number);
    else
      numbers.push_back(frame.integer(cast<Value>(value)));
  }
  return numbers;
}

/// A tensor no op has written yet: reading it shows as NaN.
static absl::Status evaluate(Frame &frame, tensor::EmptyOp op) {
  llvm::SmallVector<int64_t> shape = resolve(frame, op.getMixedSizes());
  int64_t count = 1;
  for (int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > kLargestTensor)
      return opError(op, absl::StrCat("at most ", kLargestTensor, " elements"), shapeText(shape));
  frame.set(op.getResult(),
            makeTensor({shape.begin(), shape.end()}, std::numeric_limits<double>::quiet_NaN()));
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, tensor::DimOp op) {
  const ReferenceTensor &source = frame.tensor(op.getSource());
  int64_t dimension = frame.integer(op.getIndex());
  if (dimension < 0 || dimension >= static_cast<int64_t>(source.shape.size()))
    return opError(op, absl::StrCat("a dimension below ", source.shape.size()),
                   absl::StrCat(dimension));
  frame.set(op.getResult(), Slot(source.shape[dimension]));
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, tensor::CastOp op) {
  const ReferenceTensor &source = frame.tensor(op.getSource());
  auto type = cast<TensorType>(op.getType());
  if (type.hasRank() && failed(verifyCompatibleShape(type.getShape(), source.shape)))
    return opError(op, absl::StrCat("a shape like ", shapeText(type.getShape())),
                   shapeText(source.shape));
  frame.set(op.getResult(), frame[op.getSource()]);
  return absl::OkStatus();
}

static absl::Status evaluate(Frame &frame, tensor::ExtractSliceOp op) {
  const ReferenceTensor &source = frame.tensor(op.getSource());
  auto offsets = resolve(frame, op.getMixedOffsets()), sizes = resolve(frame, op.getMixedSizes()),
       strides = resolve(frame, op.getMixedStrides());
  size_t rank = source.shape.size();
  for (size_t i = 0; i < rank; ++i)
    if (sizes[i] < 0 || sizes[i] > source.shape[i] || offsets[i] < 0 ||
        offsets[i] > source.shape[i] || strides[i] < 1 || strides[i] > source.shape[i] ||
        (sizes[i] > 0 && offsets[i] + (sizes[i] - 1) * strides[i] >= source.shape[i]))
      return opError(op, absl::StrCat("a slice within ", shapeText(source.shape)),
                     absl::StrCat("offsets ", shapeText(offsets), " sizes ", shapeText(sizes)));
  ReferenceTensor result = makeTensor({sizes.begin(), sizes.end()});
  llvm::SmallVector<int64_t> index(rank);
  for (double &value : result.values) {
    int64_t from = 0;
    for (size_t i = 0; i < rank; ++i)
      from = from * source.shape[i] + offsets[i] + index[i] * strides[i];
    value = source.values[from];
    for (size_t i = rank; i-- > 0 && ++index[i] == sizes[i];)
      index[i] = 0;
  }
  // A rank-reducing slice drops dimensions of size one.
  llvm::SmallBitVector dropped = op.getDroppedDims();
  result.shape.clear();
  for (size_t i = 0; i < rank; ++i)
    if (!dropped[i])
      result.shape.push_back(sizes[i]);
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluateCall(Evaluator &evaluator, Frame &frame, func::CallOp op) {
  std::vector<Slot> arguments;
  for (Value operand : op.getOperands())
    arguments.push_back(frame[operand]);
  STC_ASSIGN_OR_RETURN(std::vector<Slot> results,
                       evaluator.call(op.getCallee(), std::move(arguments)));
  for (auto [result, slot] : llvm::zip_equal(op.getResults(), results))
    frame.set(result, std::move(slot));
  return absl::OkStatus();
}

absl::StatusOr<bool> stc::evaluateUpstream(Evaluator &evaluator, Frame &frame, Operation *op) {
  using Result = std::optional<absl::Status>;
  Result status =
      llvm::TypeSwitch<Operation *, Result>(op)
          .Case([&](func::CallOp op) { return Result(evaluateCall(evaluator, frame, op)); })
          .Case<tensor::EmptyOp, tensor::DimOp, tensor::CastOp, tensor::ExtractSliceOp>(
              [&](auto op) { return Result(evaluate(frame, op)); })
          .Default([&](Operation *op) {
            Result status = evaluateArith(frame, op);
            if (!status)
              status = evaluateMath(frame, op);
            return status ? status : op->getNumResults() == 1 ? evaluateChoice(frame, op) : status;
          });
  if (!status)
    return false;
  STC_RETURN_IF_ERROR(*status);
  return true;
}
