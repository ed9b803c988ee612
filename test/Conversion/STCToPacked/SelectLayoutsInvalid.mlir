// RUN: stc-opt %s --stc-select-layouts --split-input-file --verify-diagnostics

stc.weight @w : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = stc.get_weight @w : tensor<4xf32>
  // expected-error @below {{expected the weight @w to be read by stc.embedding, stc.linear, stc.permute_features, stc.rms_norm, stc.layer_norm, stc.grouped_gate or stc.attention, got arith.addf}}
  %y = arith.addf %x, %w : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// expected-error @below {{@w: expected finite values, got nan at element 0}}
stc.weight @w : tensor<4x4xf32> {value = dense<0x7FC00000> : tensor<4x4xf32>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = stc.get_weight @w : tensor<4x4xf32>
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// expected-error @below {{expected the module attribute stc.checkpoint to name the file that holds t, got no such attribute}}
stc.weight @w : tensor<4x4xf32> {source = "t", quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = stc.get_weight @w : tensor<4x4xf32>
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
