// packed-narrow-activations: multiplications of many tokens by floats of 16 bits get activations
// for tensor cores.
// RUN: stc-opt %s --packed-narrow-activations=target=nvptx-sm_80 | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: stc-opt %s --packed-narrow-activations="target=nvptx-sm_80 rounds=true" | FileCheck %s --check-prefixes=CHECK,ROUNDED
// RUN: stc-opt %s --packed-narrow-activations="target=nvptx-sm_80 per-token=true" | FileCheck %s --check-prefixes=CHECK,EXACT,TOKEN
// RUN: stc-opt %s --packed-narrow-activations="target=amdgpu-gfx942 rounds=true" | FileCheck %s --check-prefix=OTHER
// RUN: not stc-opt %s --packed-narrow-activations=target=nvptx-sm_10 2>&1 | FileCheck %s --check-prefix=NAME

// OTHER-NOT: packed.split_activations
// NAME: error: --target: expected nvptx-sm_80,

!bf16 = !packed.weight<16x64, #packed.layout<dense, bf16>>
!f16 = !packed.weight<16x64, #packed.layout<dense, f16>>
!odd = !packed.weight<16x40, #packed.layout<dense, bf16>>

// One for all that read the same activations: sums of two numbers, or one.
// CHECK-LABEL: @shared
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>,
// CHECK: %[[N:.*]] = tensor.dim %[[X]], %
// EXACT: %[[EMPTY:.*]] = tensor.empty(%[[N]]) : tensor<?x192xbf16>
// ROUNDED: %[[EMPTY:.*]] = tensor.empty(%[[N]]) : tensor<?x96xbf16>
// CHECK: %[[H:.*]] = packed.split_activations ins(%[[X]] : tensor<?x64xf32>) outs(%[[EMPTY]] :
// CHECK: packed.matmul ins(%[[X]], %[[H]] :
// CHECK-NOT: split
// CHECK: packed.matmul ins(%[[X]], %[[H]] :
func.func @shared(%x: tensor<?x64xf32>, %y: tensor<?x16xf32>, %w: !bf16) -> tensor<?x16xf32> {
  %a = packed.matmul ins(%x : tensor<?x64xf32>) weight(%w : !bf16) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  %b = packed.matmul ins(%x : tensor<?x64xf32>) weight(%w : !bf16) residual(%a : tensor<?x16xf32>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %b : tensor<?x16xf32>
}

// Weights of f16 take f16, if activations may be rounded.
// CHECK-LABEL: @half
// EXACT-NOT: split
// ROUNDED: packed.split_activations ins(%{{.*}} : tensor<?x64xf32>) outs(%{{.*}} : tensor<?x96xf16>)
func.func @half(%x: tensor<?x64xf32>, %y: tensor<?x16xf32>, %w: !f16) -> tensor<?x16xf32> {
  %a = packed.matmul ins(%x : tensor<?x64xf32>) weight(%w : !f16) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}

// So do those that are pruned to 2:4; otherwise sums of two numbers of bf16, as they are of those
// themselves. Others with masks, which get their zeros first, take the same.
!pruned = !packed.weight<16x64, #packed.layout<nm, f16, n = 2, m = 4>>
!other = !packed.weight<16x64, #packed.layout<nm, f16, n = 1, m = 4>>
!bitmap = !packed.weight<16x64, #packed.layout<bitmap, bf16>>

// CHECK-LABEL: @pruned
// EXACT: packed.split_activations ins(%{{.*}} : tensor<?x64xf32>) outs(%{{.*}} : tensor<?x192xbf16>)
// ROUNDED: packed.split_activations ins(%{{.*}} : tensor<?x64xf32>) outs(%{{.*}} : tensor<?x96xf16>)
// CHECK: packed.matmul ins(%{{.*}}, %{{.*}} : {{.*}}) weight({{.*}}n = 2, m = 4
// CHECK: packed.matmul ins(%{{.*}}, %{{.*}} : {{.*}}) weight({{.*}}n = 1, m = 4
// ROUNDED: packed.split_activations ins(%{{.*}} : tensor<?x64xf32>) outs(%{{.*}} : tensor<?x96xbf16>)
// CHECK-NOT: split_activations
// CHECK: packed.matmul ins(%{{.*}}, %{{.*}} : {{.*}}) weight({{.*}}bitmap
// CHECK: return
func.func @pruned(%x: tensor<?x64xf32>, %y: tensor<?x16xf32>, %v: !pruned, %w: !other, %u: !bitmap)
    -> (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  %a = packed.matmul ins(%x : tensor<?x64xf32>) weight(%v : !pruned) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  %b = packed.matmul ins(%x : tensor<?x64xf32>) weight(%w : !other) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  %c = packed.matmul ins(%x : tensor<?x64xf32>) weight(%u : !bitmap) outs(%y : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  return %a, %b, %c : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}

// A lone token, and columns that come in no whole portions.
// CHECK-LABEL: @others
// CHECK-NOT: split
func.func @others(%x: tensor<1x64xf32>, %y: tensor<1x16xf32>, %w: !bf16,
                  %z: tensor<?x40xf32>, %u: tensor<?x16xf32>, %v: !odd)
    -> (tensor<1x16xf32>, tensor<?x16xf32>) {
  %a = packed.matmul ins(%x : tensor<1x64xf32>) weight(%w : !bf16) outs(%y : tensor<1x16xf32>)
      -> tensor<1x16xf32>
  %b = packed.matmul ins(%z : tensor<?x40xf32>) weight(%v : !odd) outs(%u : tensor<?x16xf32>)
      -> tensor<?x16xf32>
  return %a, %b : tensor<1x16xf32>, tensor<?x16xf32>
}

// Codes in groups with scales of their own, and no others.
!i4 = !packed.weight<16x64, #packed.layout<dense, i4, group = 32>>
!row = !packed.weight<16x128, #packed.layout<dense, i4, group = 128, per_row = true>>

// CHECK-LABEL: @codes
// EXACT-NOT: split
// ROUNDED-NOT: quantize
// ROUNDED: %[[R:.*]] = packed.split_activations ins(%{{.*}} : tensor<?x64xf32>) outs(%{{.*}} : tensor<?x96xf16>)
// ROUNDED: packed.matmul ins(%[[R]] : tensor<?x96xf16>)
func.func @codes(%x: tensor<?x64xf32>, %c: tensor<?x64xi8>, %s: tensor<?x2xf32>,
                 %t: tensor<?x2xi32>, %y: tensor<?x16xf32>, %w: !i4) -> tensor<?x16xf32> {
  %q, %v, %u = packed.quantize_activations ins(%x : tensor<?x64xf32>)
      outs(%c, %s, %t : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32 sum_factor -8
      -> tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>
  %a = packed.matmul ins(%q, %v, %u : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>)
      weight(%w : !i4) outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}

// CHECK-LABEL: @rows
// CHECK-NOT: split
// CHECK: packed.matmul ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x128xi8>
func.func @rows(%x: tensor<?x128xf32>, %c: tensor<?x128xi8>, %s: tensor<?x1xf32>,
                %t: tensor<?x1xi32>, %y: tensor<?x16xf32>, %w: !row) -> tensor<?x16xf32> {
  %q, %v, %u = packed.quantize_activations ins(%x : tensor<?x128xf32>)
      outs(%c, %s, %t : tensor<?x128xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 128 sum_factor -8
      -> tensor<?x128xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  %a = packed.matmul ins(%q, %v, %u : tensor<?x128xi8>, tensor<?x1xf32>, tensor<?x1xi32>)
      weight(%w : !row) outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}

// One scale for each token, where weights have scales of rows and kernels for them; made once for
// all that read it. Others still read the one with groups.
!dense = !packed.weight<16x300, #packed.layout<dense, i8, group = 128, per_row = true>>
!half = !packed.weight<16x300, #packed.layout<nm, i8, group = 128, n = 2, m = 4, per_row = true>>
!masks = !packed.weight<16x300, #packed.layout<bitmap, i8, group = 128, per_row = true>>

// CHECK-LABEL: @tokens
// TOKEN: %[[Q:.*]]:3 = packed.quantize_activations {{.*}} group 384 sum_factor -128 -> tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x1xi32>
// CHECK: %[[G:.*]]:3 = packed.quantize_activations {{.*}} group 128 sum_factor -128 -> tensor<?x384xi8>, tensor<?x3xf32>, tensor<?x3xi32>
// TOKEN: packed.matmul ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2
// TOKEN: packed.matmul ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2
// TOKEN: packed.matmul ins(%[[G]]#0, %[[G]]#1, %[[G]]#2
func.func @tokens(%x: tensor<?x300xf32>, %c: tensor<?x384xi8>, %s: tensor<?x3xf32>,
                  %t: tensor<?x3xi32>, %y: tensor<?x16xf32>, %v: !dense, %w: !half, %u: !masks)
    -> (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  %q:3 = packed.quantize_activations ins(%x : tensor<?x300xf32>)
      outs(%c, %s, %t : tensor<?x384xi8>, tensor<?x3xf32>, tensor<?x3xi32>) group 128
      sum_factor -128 -> tensor<?x384xi8>, tensor<?x3xf32>, tensor<?x3xi32>
  %a = packed.matmul ins(%q#0, %q#1, %q#2 : tensor<?x384xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
      weight(%v : !dense) outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  %b = packed.matmul ins(%q#0, %q#1, %q#2 : tensor<?x384xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
      weight(%w : !half) outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  %d = packed.matmul ins(%q#0, %q#1, %q#2 : tensor<?x384xi8>, tensor<?x3xf32>, tensor<?x3xi32>)
      weight(%u : !masks) outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %a, %b, %d : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}

// A lone token's, and those of too many columns, stay what they are.
!wide = !packed.weight<16x65664, #packed.layout<dense, i8, group = 128, per_row = true>>

// CHECK-LABEL: @left_alone
// CHECK: packed.quantize_activations {{.*}} group 128
// CHECK: packed.quantize_activations {{.*}} group 128
// CHECK: packed.matmul ins({{.*}} : tensor<1x384xi8>, tensor<1x3xf32>
// CHECK: packed.matmul ins({{.*}} : tensor<?x65664xi8>, tensor<?x513xf32>
func.func @left_alone(%x: tensor<1x300xf32>, %c: tensor<1x384xi8>, %s: tensor<1x3xf32>,
                  %t: tensor<1x3xi32>, %y: tensor<1x16xf32>, %v: !dense,
                  %l: tensor<?x65664xf32>, %m: tensor<?x65664xi8>, %n: tensor<?x513xf32>,
                  %o: tensor<?x513xi32>, %z: tensor<?x16xf32>, %w: !wide)
    -> (tensor<1x16xf32>, tensor<?x16xf32>) {
  %q:3 = packed.quantize_activations ins(%x : tensor<1x300xf32>)
      outs(%c, %s, %t : tensor<1x384xi8>, tensor<1x3xf32>, tensor<1x3xi32>) group 128
      sum_factor -128 -> tensor<1x384xi8>, tensor<1x3xf32>, tensor<1x3xi32>
  %p:3 = packed.quantize_activations ins(%l : tensor<?x65664xf32>)
      outs(%m, %n, %o : tensor<?x65664xi8>, tensor<?x513xf32>, tensor<?x513xi32>) group 128
      sum_factor -128 -> tensor<?x65664xi8>, tensor<?x513xf32>, tensor<?x513xi32>
  %a = packed.matmul ins(%q#0, %q#1, %q#2 : tensor<1x384xi8>, tensor<1x3xf32>, tensor<1x3xi32>)
      weight(%v : !dense) outs(%y : tensor<1x16xf32>) -> tensor<1x16xf32>
  %b = packed.matmul ins(%p#0, %p#1, %p#2 : tensor<?x65664xi8>, tensor<?x513xf32>, tensor<?x513xi32>)
      weight(%w : !wide) outs(%z : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %a, %b : tensor<1x16xf32>, tensor<?x16xf32>
}
