// RUN: stc-opt %s --convert-stc-to-linalg --stc-raise-linalg --verify-diagnostics | FileCheck %s

// What the compiler lowers to linalg is raised to what it was, in whatever order it is used; epsilon
// is rounded to f32 on the way.

// CHECK-LABEL: func.func @layer
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[U:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<4xbf16>)
// CHECK-NEXT: %[[Y:.*]] = stc.rms_norm %[[X]], %[[W]] epsilon 9.9999997473787516E-6
// CHECK-NEXT: %[[A:.*]] = stc.activation <silu> %[[Y]] :
// CHECK-NEXT: %[[B:.*]] = stc.activation <gelu> %[[A]] :
// CHECK-NEXT: %[[C:.*]] = stc.activation <gelu_tanh> %[[B]] :
// CHECK-NEXT: %[[D:.*]] = stc.activation <relu> %[[C]] :
// CHECK-NEXT: %[[E:.*]] = stc.gated_activation <gelu> %[[D]], %[[U]] :
// CHECK-NEXT: %[[F:.*]] = stc.gated_activation <gelu_tanh> %[[E]], %[[E]] :
// CHECK-NEXT: %[[G:.*]] = stc.gated_activation <relu> %[[F]], %[[A]] :
// CHECK-NEXT: %[[H:.*]] = stc.activation <sigmoid> %[[G]] :
// CHECK-NEXT: %[[I:.*]] = stc.gated_activation <sigmoid> %[[H]], %[[U]] :
// CHECK-NEXT: %[[J:.*]] = stc.scale %[[I]] by 2.500000e+00 :
// CHECK-NEXT: %[[K:.*]] = stc.layer_norm %[[J]], %[[W]] bias %[[W]] epsilon 9.9999997473787516E-6
// CHECK-NEXT: return %[[K]]
func.func @layer(%x: tensor<?x4xf32>, %u: tensor<?x4xf32>, %w: tensor<4xbf16>) -> tensor<?x4xf32> {
  %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xbf16>) -> tensor<?x4xf32>
  %a = stc.activation <silu> %y : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = stc.activation <gelu> %a : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %c = stc.activation <gelu_tanh> %b : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %d = stc.activation <relu> %c : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %e = stc.gated_activation <gelu> %d, %u : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %f = stc.gated_activation <gelu_tanh> %e, %e
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %g = stc.gated_activation <relu> %f, %a : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %h = stc.activation <sigmoid> %g : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %i = stc.gated_activation <sigmoid> %h, %u
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %j = stc.scale %i by 2.5 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %k = stc.layer_norm %j, %w bias %w epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xbf16>, tensor<4xbf16>) -> tensor<?x4xf32>
  return %k : tensor<?x4xf32>
}
