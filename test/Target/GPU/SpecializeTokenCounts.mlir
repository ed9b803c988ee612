// RUN: stc-opt %s "--packed-specialize-token-counts=target=nvptx-sm_90 max-tokens=1024" | FileCheck %s
// RUN: stc-opt %s "--packed-specialize-token-counts=target=nvptx-sm_90 max-tokens=1024" --packed-select-block-config=target=nvptx-sm_90 | FileCheck %s --check-prefix=CONFIG
// RUN: stc-opt %s "--packed-specialize-token-counts=target=nvptx-sm_90 max-tokens=64" | FileCheck %s --check-prefix=FEW
// RUN: not stc-opt %s --packed-specialize-token-counts=target=nvptx-sm_10 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: --target: expected nvptx-sm_80, nvptx-sm_86, nvptx-sm_89, nvptx-sm_90, {{.*}}, got nvptx-sm_10

// Calls of up to 64 tokens, up to 256, and more have code of their own, with what it calls.
!w = !packed.weight<4096x4096, #packed.layout<dense, bf16>>

// CHECK-LABEL: func.func private @layer_64(
// CHECK-SAME: attributes {packed.token_range = array<i64: 1, 64>}
// CHECK-LABEL: func.func private @layer_256(
// CHECK-SAME: attributes {packed.token_range = array<i64: 65, 256>}
// CHECK-LABEL: func.func private @layer_1024(
// CHECK-SAME: attributes {packed.token_range = array<i64: 257, 1024>}
// CHECK-LABEL: func.func private @prefill_64(
// CHECK: call @layer_64(
// CHECK-LABEL: func.func private @prefill_256(
// CHECK: call @layer_256(
// CHECK-LABEL: func.func private @prefill_1024(
// CHECK: call @layer_1024(

// Few tokens: 128 pieces for the 132 multiprocessors, each with all tokens. More: pieces of more rows
// by some of the tokens.
// CONFIG-LABEL: @layer_64(
// CONFIG-NOT: token_range
// CONFIG: row_tiles = 2, piece_tokens = 64>
// CONFIG-LABEL: @layer_256(
// CONFIG: row_tiles = 4, piece_tokens = 128>
// CONFIG-LABEL: @layer_1024(
// CONFIG: row_tiles = 8, piece_tokens = {{[0-9]+}}>

// FEW-NOT: token_range
// FEW-LABEL: func.func private @layer(
func.func private @layer(%x: memref<?x4096xf32>, %w: !w, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x : memref<?x4096xf32>) weight(%w : <4096x4096, #packed.layout<dense, bf16>>) outs(%y : memref<?x4096xf32>)
  return
}

// CHECK-LABEL: func.func @prefill(
// CHECK-SAME: %[[X:.*]]: memref<?x4096xf32>, %[[W:.*]]: !packed.weight
// CHECK: %[[N:.*]] = memref.dim %[[X]], %c0
// CHECK: %[[SMALL:.*]] = arith.cmpi ule, %[[N]], %c64
// CHECK: scf.if %[[SMALL]] {
// CHECK: call @prefill_64(%[[X]], %[[W]]
// CHECK: } else {
// CHECK: %[[SOME:.*]] = arith.cmpi ule, %[[N]], %c256
// CHECK: scf.if %[[SOME]] {
// CHECK: call @prefill_256(
// CHECK: } else {
// CHECK: call @prefill_1024(
// CHECK-NOT: @layer(
// FEW-LABEL: func.func @prefill(
// FEW: call @layer(
func.func @prefill(%x: memref<?x4096xf32>, %w: !w, %y: memref<?x4096xf32>) {
  call @layer(%x, %w, %y) : (memref<?x4096xf32>, !w, memref<?x4096xf32>) -> ()
  return
}

// Small matrices take no time to speak of, and one token is not many.
// CHECK-LABEL: func.func @encode(
// CHECK-NOT: scf.if
// CHECK: packed.matmul
// CHECK-LABEL: func.func @decode(
// CHECK-NOT: scf.if
// CHECK: packed.matmul
func.func @encode(%x: memref<?x512xf32>, %w: !packed.weight<512x512, #packed.layout<dense, bf16>>, %y: memref<?x512xf32>) {
  packed.matmul ins(%x : memref<?x512xf32>) weight(%w : <512x512, #packed.layout<dense, bf16>>) outs(%y : memref<?x512xf32>)
  return
}
func.func @decode(%x: memref<1x4096xf32>, %w: !w, %y: memref<1x4096xf32>) {
  packed.matmul ins(%x : memref<1x4096xf32>) weight(%w : <4096x4096, #packed.layout<dense, bf16>>) outs(%y : memref<1x4096xf32>)
  return
}
