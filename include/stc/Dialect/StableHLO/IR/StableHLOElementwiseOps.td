// Operations of StableHLO on elements.
#ifndef STC_DIALECT_STABLEHLO_IR_STABLEHLOELEMENTWISEOPS_TD
#define STC_DIALECT_STABLEHLO_IR_STABLEHLOELEMENTWISEOPS_TD

include "stc/Dialect/StableHLO/IR/StableHLOBase.td"

include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def StableHLO_Floats : RankedTensorOf<[F16, BF16, F32, F64]>;
def StableHLO_Integers : RankedTensorOf<[AnySignlessInteger, AnyUnsignedInteger]>;
def StableHLO_Numbers : RankedTensorOf<[F16, BF16, F32, F64, AnySignlessInteger, AnyUnsignedInteger]>;
def StableHLO_Booleans : RankedTensorOf<[I1]>;

class StableHLO_Op<string mnemonic, list<Trait> traits = []>
    : Op<StableHLO_Dialect, mnemonic, traits>;

class StableHLO_Unary<string mnemonic, Type type>
    : StableHLO_Op<mnemonic, [Pure, Elementwise, SameOperandsAndResultType]> {
  let arguments = (ins type:$operand);
  let results = (outs type:$result);
  let assemblyFormat = "$operand attr-dict `:` custom<OneType>(type($operand), type($result))";
}

class StableHLO_Binary<string mnemonic, Type type, list<Trait> traits = []>
    : StableHLO_Op<mnemonic, !listconcat([Pure, Elementwise, SameOperandsAndResultType], traits)> {
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` custom<OneType>(type($lhs), type($rhs), type($result))
  }];
}

//===----------------------------------------------------------------------===//
// Of one tensor
//===----------------------------------------------------------------------===//

def StableHLO_AbsOp : StableHLO_Unary<"abs", StableHLO_Numbers> {
  let summary = "The absolute value.";
  let description = [{
    |x|, element by element.

    (C1) Operand and result have one type, of floats or signed integers.

    ```mlir
    %y = stablehlo.abs %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_CbrtOp : StableHLO_Unary<"cbrt", StableHLO_Floats> {
  let summary = "The cubic root.";
  let description = [{
    The cubic root of x, element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.cbrt %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_CeilOp : StableHLO_Unary<"ceil", StableHLO_Floats> {
  let summary = "The next integer above.";
  let description = [{
    x rounded up, element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.ceil %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_CosineOp : StableHLO_Unary<"cosine", StableHLO_Floats> {
  let summary = "The cosine.";
  let description = [{
    cos(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.cosine %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_ExponentialOp : StableHLO_Unary<"exponential", StableHLO_Floats> {
  let summary = "The exponential.";
  let description = [{
    e^x, element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.exponential %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_ExponentialMinusOneOp : StableHLO_Unary<"exponential_minus_one", StableHLO_Floats> {
  let summary = "The exponential minus one.";
  let description = [{
    e^x - 1, element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.exponential_minus_one %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_FloorOp : StableHLO_Unary<"floor", StableHLO_Floats> {
  let summary = "The next integer below.";
  let description = [{
    x rounded down, element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.floor %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_LogOp : StableHLO_Unary<"log", StableHLO_Floats> {
  let summary = "The natural logarithm.";
  let description = [{
    ln(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.log %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_LogPlusOneOp : StableHLO_Unary<"log_plus_one", StableHLO_Floats> {
  let summary = "The natural logarithm of one more.";
  let description = [{
    ln(1 + x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.log_plus_one %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_LogisticOp : StableHLO_Unary<"logistic", StableHLO_Floats> {
  let summary = "The logistic function.";
  let description = [{
    1 / (1 + e^-x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.logistic %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_NegateOp : StableHLO_Unary<"negate", StableHLO_Numbers> {
  let summary = "The negation.";
  let description = [{
    -x, element by element.

    (C1) Operand and result have one type, of floats or signed integers.

    ```mlir
    %y = stablehlo.negate %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_NotOp : StableHLO_Unary<"not", StableHLO_Integers> {
  let summary = "The complement.";
  let description = [{
    Each bit inverted: of booleans, not x.

    (C1) Operand and result have one type, of integers.

    ```mlir
    %y = stablehlo.not %x : tensor<4xi1>
    ```
  }];
}

def StableHLO_RoundNearestEvenOp : StableHLO_Unary<"round_nearest_even", StableHLO_Floats> {
  let summary = "The nearest integer.";
  let description = [{
    x rounded to the nearest integer, halves to an even one.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.round_nearest_even %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_RsqrtOp : StableHLO_Unary<"rsqrt", StableHLO_Floats> {
  let summary = "The reciprocal square root.";
  let description = [{
    1 / sqrt(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.rsqrt %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_SignOp : StableHLO_Unary<"sign", StableHLO_Floats> {
  let summary = "The sign.";
  let description = [{
    -1, 0 or 1, as x is; NaN of NaN.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.sign %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_SineOp : StableHLO_Unary<"sine", StableHLO_Floats> {
  let summary = "The sine.";
  let description = [{
    sin(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.sine %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_SqrtOp : StableHLO_Unary<"sqrt", StableHLO_Floats> {
  let summary = "The square root.";
  let description = [{
    sqrt(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.sqrt %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_TanOp : StableHLO_Unary<"tan", StableHLO_Floats> {
  let summary = "The tangent.";
  let description = [{
    tan(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.tan %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_TanhOp : StableHLO_Unary<"tanh", StableHLO_Floats> {
  let summary = "The hyperbolic tangent.";
  let description = [{
    tanh(x), element by element.

    (C1) Operand and result have one type, of floats.

    ```mlir
    %y = stablehlo.tanh %x : tensor<4xf32>
    ```
  }];
}

def StableHLO_IsFiniteOp
    : StableHLO_Op<"is_finite", [Pure, Elementwise, SameOperandsAndResultShape]> {
  let summary = "Whether numbers are neither infinite nor NaN.";
  let description = [{
    (C1) Operand and result have one shape.

    ```mlir
    %y = stablehlo.is_finite %x : (tensor<4xf32>) -> tensor<4xi1>
    ```
  }];
  let arguments = (ins StableHLO_Floats:$operand);
  let results = (outs StableHLO_Booleans:$result);
  let assemblyFormat = "$operand attr-dict `:` functional-type($operand, $result)";
}

def StableHLO_ConvertOp : StableHLO_Op<"convert", [Pure, Elementwise, SameOperandsAndResultShape]> {
  let summary = "The same numbers in another type.";
  let description = [{
    Floats become integers by dropping their fraction; what is not 0 is true.

    (C1) Operand and result have one shape.

    ```mlir
    %y = stablehlo.convert %x : (tensor<4xi32>) -> tensor<4xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = "$operand attr-dict `:` custom<FunctionalType>(type($operand), type($result))";
}

//===----------------------------------------------------------------------===//
// Of several tensors
//===----------------------------------------------------------------------===//

def StableHLO_AddOp : StableHLO_Binary<"add", StableHLO_Numbers, [Commutative]> {
  let summary = "The sum.";
  let description = [{
    x + y; of booleans, x or y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.add %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_AndOp : StableHLO_Binary<"and", StableHLO_Integers, [Commutative]> {
  let summary = "Bits that both have.";
  let description = [{
    x and y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.and %x, %y : tensor<4xi1>
    ```
  }];
}

def StableHLO_Atan2Op : StableHLO_Binary<"atan2", StableHLO_Floats> {
  let summary = "The angle of a point.";
  let description = [{
    The angle of the point (y, x) as seen from the origin.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.atan2 %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_DivideOp : StableHLO_Binary<"divide", StableHLO_Numbers> {
  let summary = "The quotient.";
  let description = [{
    x / y; of integers, rounded towards 0.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.divide %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_MaximumOp : StableHLO_Binary<"maximum", StableHLO_Numbers, [Commutative]> {
  let summary = "The larger one.";
  let description = [{
    The larger of x and y, or NaN if one is; of booleans, x or y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.maximum %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_MinimumOp : StableHLO_Binary<"minimum", StableHLO_Numbers, [Commutative]> {
  let summary = "The smaller one.";
  let description = [{
    The smaller of x and y, or NaN if one is; of booleans, x and y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.minimum %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_MultiplyOp : StableHLO_Binary<"multiply", StableHLO_Numbers, [Commutative]> {
  let summary = "The product.";
  let description = [{
    x * y; of booleans, x and y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.multiply %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_OrOp : StableHLO_Binary<"or", StableHLO_Integers, [Commutative]> {
  let summary = "Bits that one has.";
  let description = [{
    x or y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.or %x, %y : tensor<4xi1>
    ```
  }];
}

def StableHLO_PowerOp : StableHLO_Binary<"power", StableHLO_Numbers> {
  let summary = "The power.";
  let description = [{
    x to the power of y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.power %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_RemainderOp : StableHLO_Binary<"remainder", StableHLO_Numbers> {
  let summary = "The remainder.";
  let description = [{
    x - y * trunc(x / y), which has the sign of x.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.remainder %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_SubtractOp : StableHLO_Binary<"subtract", StableHLO_Numbers> {
  let summary = "The difference.";
  let description = [{
    x - y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.subtract %x, %y : tensor<4xf32>
    ```
  }];
}

def StableHLO_XorOp : StableHLO_Binary<"xor", StableHLO_Integers, [Commutative]> {
  let summary = "Bits that one of two has.";
  let description = [{
    Either x or y.

    (C1) Operands and result have one type.

    ```mlir
    %z = stablehlo.xor %x, %y : tensor<4xi1>
    ```
  }];
}

def StableHLO_CompareOp
    : StableHLO_Op<"compare", [Pure, Elementwise, SameTypeOperands, SameOperandsAndResultShape]> {
  let summary = "A comparison.";
  let description = [{
    Whether x is equal to (EQ), not equal to (NE), at least (GE), greater than (GT), at most (LE) or
    less than (LT) y. Of NaN, NE alone holds.

    (C1) The operands have one type, and the result their shape. (C2) `compare_type` is FLOAT or
    TOTALORDER for floats, and SIGNED or UNSIGNED for integers.

    ```mlir
    %z = stablehlo.compare LT, %x, %y, FLOAT : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$lhs, StableHLO_Numbers:$rhs,
                       StableHLO_DirectionAttr:$comparison_direction,
                       OptionalAttr<StableHLO_ComparisonTypeAttr>:$compare_type);
  let results = (outs StableHLO_Booleans:$result);
  let assemblyFormat = [{
    $comparison_direction `,` $lhs `,` $rhs (`,` $compare_type^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def StableHLO_SelectOp : StableHLO_Op<"select", [Pure, AllTypesMatch<["on_true", "on_false", "result"]>]> {
  let summary = "One of two.";
  let description = [{
    The element of the second operand where the first is true, and of the third where it is not.

    (C1) The first operand has the shape of the others or none. (C2) The others and the result have
    one type.

    ```mlir
    %z = stablehlo.select %c, %x, %y : tensor<4xi1>, tensor<4xf32>
    ```
  }];
  let arguments = (ins StableHLO_Booleans:$pred, StableHLO_Numbers:$on_true,
                       StableHLO_Numbers:$on_false);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    operands attr-dict `:`
    custom<SelectTypes>(type($pred), type($on_true), type($on_false), type($result))
  }];
  let hasVerifier = 1;
}

def StableHLO_ClampOp : StableHLO_Op<"clamp", [Pure, AllTypesMatch<["operand", "result"]>]> {
  let summary = "A number within bounds.";
  let description = [{
    min(max(x, least), most), where `least` is the first operand and `most` the last.

    (C1) Each bound has the type of x, or that of one of its elements.

    ```mlir
    %y = stablehlo.clamp %least, %x, %most : tensor<4xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$min, StableHLO_Numbers:$operand, StableHLO_Numbers:$max);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $min `,` $operand `,` $max attr-dict `:`
    custom<OneType>(type($min), type($operand), type($max), type($result))
  }];
  let hasVerifier = 1;
}

#endif // STC_DIALECT_STABLEHLO_IR_STABLEHLOELEMENTWISEOPS_TD
