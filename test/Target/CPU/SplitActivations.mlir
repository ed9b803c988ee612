// packed-split-activations: multiplications of many tokens by bf16 weights get split activations.
// RUN: stc-opt %s --packed-split-activations=target=sapphirerapids | FileCheck %s
// RUN: stc-opt %s --packed-split-activations=target=x86-64-v4+amx-int8 | FileCheck %s --check-prefix=OTHER
// RUN: not stc-opt %s --packed-split-activations=target=i386 2>&1 | FileCheck %s --check-prefix=NAME

// OTHER-NOT: packed.split_activations
// NAME: error: --target: expected native,

!w = !packed.weight<16x40, #packed.layout<dense, bf16>>
!half = !packed.weight<16x40, #packed.layout<dense, f16>>
!v = !packed.weight<40x16, #packed.layout<dense, bf16>>

// One split serves all that read the same activations.
// CHECK-LABEL: @shared
// CHECK-SAME: (%[[X:.*]]: tensor<?x40xf32>,
// CHECK: %[[N:.*]] = tensor.dim %[[X]], %
// CHECK: %[[EMPTY:.*]] = tensor.empty(%[[N]]) : tensor<?x192xbf16>
// CHECK: %[[H:.*]] = packed.split_activations ins(%[[X]] : tensor<?x40xf32>) outs(%[[EMPTY]] : tensor<?x192xbf16>)
// CHECK: %[[A:.*]] = packed.matmul ins(%[[X]], %[[H]] : tensor<?x40xf32>, tensor<?x192xbf16>)
// CHECK-NOT: split
// CHECK: packed.matmul ins(%[[X]], %[[H]] : {{.*}} residual(%[[A]] :
// CHECK: %[[G:.*]] = packed.split_activations ins(%[[A]] : tensor<?x16xf32>) outs(%{{.*}} : tensor<?x64xbf16>)
// CHECK: packed.matmul ins(%[[A]], %[[G]] :
func.func @shared(%x: tensor<?x40xf32>, %y: tensor<?x16xf32>, %w: !w, %v: !v) -> (tensor<?x16xf32>, tensor<?x40xf32>) {
  %a = packed.matmul ins(%x : tensor<?x40xf32>) weight(%w : !w) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  %b = packed.matmul ins(%x : tensor<?x40xf32>) weight(%w : !w) residual(%a : tensor<?x16xf32>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  %c = packed.matmul ins(%a : tensor<?x16xf32>) weight(%v : !v) outs(%x : tensor<?x40xf32>)
      -> tensor<?x40xf32>
  return %b, %c : tensor<?x16xf32>, tensor<?x40xf32>
}

// Each block splits for itself: what one branch made is not there in the other.
// CHECK-LABEL: @branches
// CHECK: scf.if
// CHECK: packed.split_activations
// CHECK: else
// CHECK: packed.split_activations
func.func @branches(%c: i1, %x: tensor<8x40xf32>, %y: tensor<8x16xf32>, %w: !w) -> tensor<8x16xf32> {
  %r = scf.if %c -> tensor<8x16xf32> {
    %a = packed.matmul ins(%x : tensor<8x40xf32>) weight(%w : !w) outs(%y : tensor<8x16xf32>)
        -> tensor<8x16xf32>
    scf.yield %a : tensor<8x16xf32>
  } else {
    %a = packed.matmul ins(%x : tensor<8x40xf32>) weight(%w : !w) residual(%y : tensor<8x16xf32>)
        outs(%y : tensor<8x16xf32>) -> tensor<8x16xf32>
    scf.yield %a : tensor<8x16xf32>
  }
  return %r : tensor<8x16xf32>
}

// Few tokens, other weights, and activations that are split already.
// CHECK-LABEL: @others
// CHECK-NOT: packed.split_activations
// CHECK: return
func.func @others(%x: tensor<?x40xf32>, %h: tensor<?x192xbf16>, %y: tensor<?x16xf32>,
    %few: tensor<7x40xf32>, %out: tensor<7x16xf32>, %w: !w, %half: !half)
    -> (tensor<7x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  %a = packed.matmul ins(%few : tensor<7x40xf32>) weight(%w : !w) outs(%out : tensor<7x16xf32>)
      -> tensor<7x16xf32>
  %b = packed.matmul ins(%x : tensor<?x40xf32>) weight(%half : !half) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  %c = packed.matmul ins(%x, %h : tensor<?x40xf32>, tensor<?x192xbf16>) weight(%w : !w)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %a, %b, %c : tensor<7x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}
