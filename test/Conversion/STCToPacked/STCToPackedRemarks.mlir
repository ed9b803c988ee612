// RUN: stc-opt %s --stc-select-layouts --convert-stc-to-packed=verbose=1 --verify-diagnostics -o %t

// expected-remark @below {{w: dense-int8-g32, 9.00 bits per weight: quantized, not sparse}}
stc.weight @w : tensor<32x64xf32> {value = dense<1.0> : tensor<32x64xf32>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = stc.get_weight @w : tensor<32x64xf32>
  %y = stc.linear %x, %w : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
