// How generated functions find weights, buffers and caches: through the frame of their call.
#ifndef STC_TARGET_KERNELS_FRAMELOWERING_H
#define STC_TARGET_KERNELS_FRAMELOWERING_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace stc {

/// An entry point of stc/Runtime/ModelABI.h: the function it calls, and the offsets in the frame of
/// the fields that are its indices (it may have fewer) and its f32 buffers (the last of them alone,
/// if it may have fewer).
struct EntryPoint {
  llvm::StringLiteral function;
  llvm::SmallVector<size_t, 2> indexFields;
  llvm::SmallVector<size_t, 2> floatFields;
  bool needsAllFloats = true;
};
llvm::ArrayRef<EntryPoint> entryPoints();

/// The symbol of an entry point that runs on this processor: stc_model_decode, or of one of several
/// variants stc_model_decode_1.
std::string entryPointName(llvm::StringRef function, int64_t variant);

/// Gives all functions of a module a context, whose first value is the address of the frame, and
/// expresses by it what the packed dialect leaves open.
class FrameLowering {
public:
  /// `context`: the types of the arguments every function gets first; the first one is a pointer.
  FrameLowering(mlir::ModuleOp module, llvm::ArrayRef<mlir::Type> context);

  /// Prepends the context to the arguments of all functions, which become internal; calls hand
  /// theirs on. Fails on functions without a body.
  mlir::LogicalResult addContexts();
  /// Replaces packed.scratch, get_weight, weight_row, vector and cache_pointers.
  void lowerOperations();
  /// The arguments of a call of `entry` in a function whose arguments are the context, built at the
  /// end of `builder`'s block; fails if the callee has others than the frame can give.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> operandsOf(const EntryPoint &entry,
                                                             mlir::func::FuncOp callee,
                                                             mlir::OpBuilder &builder,
                                                             mlir::ValueRange context);
  /// Erases the symbols of weights, which nothing names any more.
  void eraseWeights();

  /// A field of the frame. Fields do not change during a call, so loads may be merged and moved.
  mlir::Value loadField(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value frame,
                        size_t offset, mlir::Type type);
  mlir::Value addBytes(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value pointer,
                       mlir::Value bytes);
  mlir::Value constant(mlir::OpBuilder &builder, mlir::Location loc, int64_t value);

  mlir::SymbolTable &getSymbols() { return symbols; }

private:
  void lower(mlir::Operation *op);
  mlir::Value lowerWeight(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value frame,
                          mlir::Value offset, mlir::Type type);
  void lowerWeightRow(packed::WeightRowOp op, mlir::Value frame);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::SmallVector<mlir::Type> context;
  mlir::Type pointer, i64;
};

} // namespace stc

#endif // STC_TARGET_KERNELS_FRAMELOWERING_H
