// RUN: stc-opt %s -split-input-file -verify-diagnostics

// 2:4 weights of f16 take sums of two numbers of bf16, but no single ones.
func.func @single(%x: tensor<3x64xf32>, %s: tensor<3x96xbf16>, %out: tensor<3x16xf32>,
                  %w: !packed.weight<16x64, #packed.layout<nm, f16, n = 2, m = 4>>) {
  // expected-error@+1 {{expects split activations of the weights' type (C1), but got 'tensor<3x96xbf16>'}}
  %y = packed.matmul ins(%x, %s : tensor<3x64xf32>, tensor<3x96xbf16>)
      weight(%w : !packed.weight<16x64, #packed.layout<nm, f16, n = 2, m = 4>>)
      outs(%out : tensor<3x16xf32>) -> tensor<3x16xf32>
  return
}

// -----

func.func @other(%x: tensor<3x64xf32>, %s: tensor<3x192xbf16>, %out: tensor<3x16xf32>,
                 %w: !packed.weight<16x64, #packed.layout<nm, f32, n = 1, m = 4>>) {
  // expected-error@+1 {{expects 1 inputs for this layout (C1), but got 2}}
  %y = packed.matmul ins(%x, %s : tensor<3x64xf32>, tensor<3x192xbf16>)
      weight(%w : !packed.weight<16x64, #packed.layout<nm, f32, n = 1, m = 4>>)
      outs(%out : tensor<3x16xf32>) -> tensor<3x16xf32>
  return
}
