// RUN: stc-opt %s --convert-stc-to-packed --split-input-file --verify-diagnostics

stc.weight @w : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = stc.get_weight @w : tensor<4x4xf32>
  // expected-error @below {{expected the weight @w to have a layout (stc-select-layouts chooses it), got none}}
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expected weights to come from stc.get_weight, got another value}}
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

stc.weight @w : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>,
                               packed.layout = #packed.layout<rows, f32>}
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected the weight @w to be read by operations that have a packed form, got arith.addf}}
  %w = stc.get_weight @w : tensor<4xf32>
  %y = arith.addf %x, %w : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

stc.weight @w : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expected layers that are not shared yet}}
  %y = stc.repeat @g(%x) first 0 weights [[@w]] : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func private @g(%x: tensor<?x4xf32>, %i: index, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  return %x : tensor<?x4xf32>
}

// -----

// expected-error @below {{@w: expected codes in groups of 64 as the layout says, got groups of 32}}
stc.weight @w : tensor<4x64xf32> {value = dense<1.0> : tensor<4x64xf32>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>,
    packed.layout = #packed.layout<dense, i8, group = 64>}
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x4xf32> {
  %w = stc.get_weight @w : tensor<4x64xf32>
  %y = stc.linear %x, %w : (tensor<?x64xf32>, tensor<4x64xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

stc.weight @order : tensor<4xf32> {value = dense<[0.0, 1.0, 2.0, 4.0]> : tensor<4xf32>,
                                   packed.layout = #packed.layout<rows, f32>}
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %order = stc.get_weight @order : tensor<4xf32>
  // expected-error @below {{expected @order to hold whole numbers from 0 to 3, got 4.0}}
  %y = stc.permute_features %x, %order : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
