// RUN: stc-opt %s --stc-prune='spec=2:4 verbose=1' --stc-quantize='spec=int8-g128 verbose=1' --verify-diagnostics -o %t

// expected-remark @below {{new: pruned as magnitude:2:4: 8 of 16 weights stay}}
// expected-remark @below {{new: quantized as rtn:int8-g128: relative error 0.0000}}
stc.weight @new : tensor<4x4xf32> {value = dense<0.0> : tensor<4x4xf32>}
// expected-remark @below {{old: already pruned as magnitude:0.5}}
// expected-remark @below {{old: already quantized as rtn:int4-g32}}
stc.weight @old : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>,
    prune = #stc.prune<"magnitude:0.5", density = 5.0e-01 : f64>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
func.func @f(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %new = stc.get_weight @new : tensor<4x4xf32>
  %old = stc.get_weight @old : tensor<4x4xf32>
  %y = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %a = stc.linear %x, %new : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %old : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %b : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
