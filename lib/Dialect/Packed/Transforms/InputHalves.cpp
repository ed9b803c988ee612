// Activations of 16 bits beside those of f32, for multiplications that take both.
#include "stc/Dialect/Packed/Transforms/InputHalves.h"

#include "stc/Packing/Pack.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace stc;

Value InputHalves::of(packed::MatmulOp op, Value input, Type element, int64_t parts) {
  auto type = cast<RankedTensorType>(input.getType());
  auto result = RankedTensorType::get(
      {type.getDimSize(0), parts * splitHalfColumns(type.getDimSize(1))}, element);
  Value &halves = known[{op->getBlock(), {input, result}}];
  if (!halves) {
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    SmallVector<Value> sizes;
    if (type.isDynamicDim(0))
      sizes.push_back(tensor::DimOp::create(builder, input, 0));
    Value out = tensor::EmptyOp::create(builder, result.getShape(), element, sizes);
    halves = packed::SplitActivationsOp::create(builder, result, input, out).getResult();
  }
  return halves;
}
