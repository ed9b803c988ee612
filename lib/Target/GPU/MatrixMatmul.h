// What multiplying by AMD's matrix instructions has in common, whatever is multiplied.
#ifndef STC_LIB_TARGET_GPU_MATRIXMATMUL_H
#define STC_LIB_TARGET_GPU_MATRIXMATMUL_H

#include "MatrixInstructions.h"
#include "TensorMatmul.h"

namespace stc::gpu {

/// Tokens, and rows, of an instruction.
constexpr int64_t kMatrixTokens = 16;

/// Every wave takes one slot and a slice of its columns; the sums of all slices meet in shared
/// memory. In a Share, `lane` is the number of the lane in its wave, `rowPair` half the lane's row
/// of A, and `part` its block. All that decides which way a wave goes is the same in all its lanes:
/// the instructions ask for that.
class MatrixMatmul : public TensorMatmul {
protected:
  MatrixMatmul(packed::MatmulTileOp op, const TargetDescription &target,
               const MatrixInstruction &instruction)
      : TensorMatmul(op, target), instruction(instruction) {}

  /// As many tokens as have room for the sums of all waves in half of shared memory.
  llvm::SmallVector<int64_t> blockSizes() const override;
  void emitBlock(const TokenBlock &block) override;

  int64_t waves() const { return builder.threads() / builder.getTarget().waveThreads; }
  int64_t waveSlots() const;
  int64_t waveSlices() const { return waves() / waveSlots(); }
  /// [begin, end) (index) of the share of `count` pieces that a wave's slice has.
  std::pair<Value, Value> shareOf(const Share &share, int64_t count);

  /// Of the two rows of a pair, the lane's.
  Value ownRow(const Share &share, Value even, Value odd);
  /// One value for each of the lane's rows of D. `load` gives those of a pair of rows whose number
  /// (i32) it is told.
  Values ofResultRows(const Share &share,
                      llvm::function_ref<std::pair<Value, Value>(Value rowPair)> load);
  /// Where the rows of input `number` of this lane's token of every fragment begin.
  Values tokenRows(unsigned number, const TokenBlock &block, const Share &share);

  /// The operand of words (i32) of an instruction.
  Value operandOf(ValueRange words, Type element);
  /// acc + A B. `areSigned`: of WMMA, whether A's bytes are. `places` (i32): of a sparse A.
  Value multiplyAdd(const MatrixInstruction &instruction, Value a, Value b, Value acc,
                    bool areSigned = true, Value places = {});

  const MatrixInstruction &instruction;

private:
  void storeResults(const Share &share, Value place, ValueRange sums);
};

/// Products of f32 activations and bf16 or f16 weights, dense ones or, by an instruction for those,
/// such that are pruned to 2:4.
std::unique_ptr<MatmulEmitter> createMatrixHalves(packed::MatmulTileOp op,
                                                  const TargetDescription &target,
                                                  const MatrixInstruction &instruction);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_MATRIXMATMUL_H
