// What reductions of stablehlo expect of their operands and their region.
#include "stc/Dialect/StableHLO/IR/StableHLO.h"

using namespace mlir;

namespace stc::stablehlo {

LogicalResult ReduceOp::verify() {
  if (getInputs().empty() || getResults().size() != getInputs().size() ||
      getNumOperands() != 2 * getInputs().size())
    return emitOpError() << "expects as many initial values and results as inputs, at least one "
                            "(C1), but got "
                         << getNumOperands() << " operands and " << getResults().size()
                         << " results";
  auto first = cast<RankedTensorType>(getInputs()[0].getType());
  llvm::SmallDenseSet<int64_t> seen;
  for (int64_t dim : getDimensions())
    if (dim < 0 || dim >= first.getRank() || !seen.insert(dim).second)
      return emitOpError() << "expects different dimensions below " << first.getRank()
                           << " (C3), but got " << dim;
  SmallVector<int64_t> shape;
  for (int64_t dim : otherDims(first.getRank(), {getDimensions()}))
    shape.push_back(first.getDimSize(dim));
  for (auto [input, init, result] : llvm::zip_equal(getInputs(), getInitValues(), getResults())) {
    auto type = cast<RankedTensorType>(input.getType());
    auto element = RankedTensorType::get({}, type.getElementType());
    if (failed(verifyCompatibleShape(type, first)))
      return emitOpError() << "expects inputs of one shape (C2), but got " << first << " and "
                           << type;
    if (init.getType() != element)
      return emitOpError() << "expects an initial value of type " << element << " (C2), but got "
                           << init.getType();
    auto made = cast<RankedTensorType>(result.getType());
    if (failed(verifyCompatibleShape(made.getShape(), shape)) ||
        made.getElementType() != type.getElementType())
      return emitOpError() << "expects a result of type " << type.clone(shape) << " (C4), but got "
                           << made;
  }
  return success();
}

LogicalResult ReduceOp::verifyRegions() {
  Block &block = getBody().front();
  size_t count = getInputs().size();
  if (block.getNumArguments() != 2 * count || block.getTerminator()->getNumOperands() != count)
    return emitOpError() << "expects a region from " << 2 * count << " to " << count
                         << " values (C5), but got one from " << block.getNumArguments() << " to "
                         << block.getTerminator()->getNumOperands();
  for (size_t i = 0; i < count; ++i) {
    Type element = getInitValues()[i].getType();
    for (Type type : {block.getArgument(i).getType(), block.getArgument(count + i).getType(),
                      block.getTerminator()->getOperand(i).getType()})
      if (type != element)
        return emitOpError() << "expects a region on " << element << " (C5), but got " << type;
  }
  return success();
}

} // namespace stc::stablehlo
