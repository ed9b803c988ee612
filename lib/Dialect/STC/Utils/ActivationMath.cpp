// The nonlinearities as arithmetic.
#include "stc/Dialect/STC/Utils/ActivationMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;

Value stc::createActivation(OpBuilder &builder, Location loc, ActivationKind kind, Value x) {
  auto constant = [&](double value) -> Value {
    TypedAttr attribute = builder.getF32FloatAttr(float(value));
    if (auto shaped = dyn_cast<ShapedType>(x.getType()))
      attribute = DenseElementsAttr::get(shaped, float(value));
    return arith::ConstantOp::create(builder, loc, attribute);
  };
  auto multiply = [&](Value a, Value b) -> Value {
    return arith::MulFOp::create(builder, loc, a, b);
  };
  auto timesSigmoid = [&](Value factor, Value y) -> Value {
    Value exponential = math::ExpOp::create(builder, loc, arith::NegFOp::create(builder, loc, y));
    return arith::DivFOp::create(builder, loc, factor,
                                 arith::AddFOp::create(builder, loc, constant(1), exponential));
  };
  // x / (1 + exp(-y)); for y = x this is silu, and gelu's tanh form is another y.
  auto sigmoidTimes = [&](Value y) -> Value { return timesSigmoid(x, y); };
  switch (kind) {
  case ActivationKind::Silu:
    return sigmoidTimes(x);
  case ActivationKind::Sigmoid:
    return timesSigmoid(constant(1), x);
  case ActivationKind::QuickGelu:
    return sigmoidTimes(multiply(x, constant(1.702)));
  case ActivationKind::Relu:
    return arith::MaximumFOp::create(builder, loc, x, constant(0));
  case ActivationKind::Relu2: {
    Value positive = arith::MaximumFOp::create(builder, loc, x, constant(0));
    return multiply(positive, positive);
  }
  case ActivationKind::Gelu: {
    // x * Phi(x) = x / 2 * (1 + erf(x / sqrt 2)).
    Value erf = math::ErfOp::create(builder, loc, multiply(x, constant(std::sqrt(0.5))));
    return multiply(multiply(x, constant(0.5)),
                    arith::AddFOp::create(builder, loc, constant(1), erf));
  }
  case ActivationKind::GeluTanh: {
    // (1 + tanh z) / 2 = 1 / (1 + exp(-2 z)) with z = sqrt(2 / pi) (x + 0.044715 x^3).
    Value cube = multiply(multiply(x, x), multiply(x, constant(0.044715)));
    Value inner = arith::AddFOp::create(builder, loc, x, cube);
    return sigmoidTimes(multiply(inner, constant(2 * std::sqrt(2 / M_PI))));
  }
  }
  llvm_unreachable("all activations are handled");
}
