// The conversion of stc operations to linalg and its options.
#ifndef STC_CONVERSION_STCTOLINALG_PASSES_TD
#define STC_CONVERSION_STCTOLINALG_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertSTCToLinalgPass : Pass<"convert-stc-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Converts elementwise and normalization operations to linalg";
  let description = [{
    `stc.rms_norm`, `stc.activation`, `stc.gated_activation` and `stc.rotary_table` become
    `linalg.generic` operations on tensors. Operations with a packed form (`linear`, `embedding`,
    attention) stay. Sums may be reassociated; angles are computed in double precision.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

#endif // STC_CONVERSION_STCTOLINALG_PASSES_TD
