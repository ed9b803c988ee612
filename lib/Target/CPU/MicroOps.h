// Lowerings of single micro-operations to a target's instructions.
#ifndef STC_LIB_TARGET_CPU_MICROOPS_H
#define STC_LIB_TARGET_CPU_MICROOPS_H

#include "KernelBuilder.h"

namespace stc::cpu {

/// Calls an intrinsic of LLVM by name.
Value callIntrinsic(KernelBuilder &builder, llvm::StringRef name, Type result, ValueRange operands);

/// The same of an intrinsic on scalable vectors: fixed ones among the operands, and the result, are
/// kept in registers of the target's length. `name` lacks the types, which are those of the result.
Value callScalable(KernelBuilder &builder, const llvm::Twine &name, Type result,
                   ValueRange operands);

/// Cuts a vector into `count` vectors of equal length.
Values splitVector(KernelBuilder &builder, Value vector, int64_t count);
/// Puts vectors of equal length behind one another; their number is a power of two.
Value joinVectors(KernelBuilder &builder, Values pieces);

/// Results[i] = table[positions[i]] for 16 bytes, by the target's instruction. Positions from 16 to
/// 127 give anything, and greater ones zero.
Value lookUpBytes(KernelBuilder &builder, Value table, Value positions);
/// The address of constant words in the module, which all that ask for `name` share.
Value constantTable(KernelBuilder &builder, llvm::StringRef name,
                    llvm::function_ref<llvm::SmallVector<int64_t>()> makeWords);

/// Floats of which 16 bits (i16), those of four rows with four columns each, say where they are.
struct MaskedFloats {
  Type element;  // f32, bf16 or f16
  Value address; // 16 of them may be read, however many bits are set
  Value mask;
  int64_t perRow; // bits that are set in every row; 0: any number
};
/// Spreads the floats to the lanes whose bits are set, as f32 (vpexpandd, or byte lookups in tables
/// of positions); the others are zero. It needs no operation of its own to be lowered last, as
/// what is spread is used as it is.
Value expandFloats(KernelBuilder &builder, const MaskedFloats &floats);

/// Lowers dot products each of which adds to the result of the one before it; returns the last
/// result. Targets without a 32-bit dot product add up products of several operations first.
Value lowerDotChain(llvm::ArrayRef<packed::Dot4Op> chain, const TargetDescription &target);

/// The same of products with two tokens. On targets without them they become packed.dot4, to be
/// lowered after them.
Value lowerDot8x2Chain(llvm::ArrayRef<packed::Dot8x2Op> chain, const TargetDescription &target);

/// May leave dot products to be lowered after it.
void lowerTileDot(KernelBuilder &builder, packed::TileDotOp op);
/// `panel` is memory of the operation's function, which all of its tile products may share; made
/// by the first that needs it.
void lowerTileDotBF16(KernelBuilder &builder, packed::TileDotBF16Op op, Value &panel);
Value lowerExpand(KernelBuilder &builder, packed::ExpandOp op);
Value lowerSelect64(KernelBuilder &builder, packed::Select64Op op);
Value lowerSelect16(KernelBuilder &builder, packed::Select16Op op);

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_MICROOPS_H
