// What front ends write of CHLO into modules of StableHLO.
#ifndef STC_DIALECT_STABLEHLO_IR_CHLOOPS_TD
#define STC_DIALECT_STABLEHLO_IR_CHLOOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def CHLO_Dialect : Dialect {
  let name = "chlo";
  let cppNamespace = "::stc::chlo";
  let summary = "What StableHLO has no operations for.";
  let description = [{
    The functions of CHLO that front ends leave in their modules of StableHLO.
  }];
}

def CHLO_Floats : RankedTensorOf<[F16, BF16, F32, F64]>;

class CHLO_Unary<string mnemonic, Type type>
    : Op<CHLO_Dialect, mnemonic, [Pure, Elementwise, SameOperandsAndResultShape]> {
  let arguments = (ins type:$operand);
  let results = (outs type:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
}

def CHLO_ErfOp : CHLO_Unary<"erf", CHLO_Floats> {
  let summary = "The error function.";
  let description = [{
    2 / sqrt(pi) times the integral of e^-t^2 from 0 to x.

    (C1) Operand and result have one type.

    ```mlir
    %y = chlo.erf %x : tensor<4xf32> -> tensor<4xf32>
    ```
  }];
  let hasVerifier = 1;
}

def CHLO_ErfcOp : CHLO_Unary<"erfc", CHLO_Floats> {
  let summary = "One minus the error function.";
  let description = [{
    1 - erf(x), element by element.

    (C1) Operand and result have one type.

    ```mlir
    %y = chlo.erfc %x : tensor<4xf32> -> tensor<4xf32>
    ```
  }];
  let hasVerifier = 1;
}

def CHLO_SquareOp : CHLO_Unary<"square", CHLO_Floats> {
  let summary = "The square.";
  let description = [{
    x * x, element by element.

    (C1) Operand and result have one type.

    ```mlir
    %y = chlo.square %x : tensor<4xf32> -> tensor<4xf32>
    ```
  }];
  let hasVerifier = 1;
}

#endif // STC_DIALECT_STABLEHLO_IR_CHLOOPS_TD
