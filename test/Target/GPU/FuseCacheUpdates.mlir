// RUN: stc-opt %s --packed-fuse-cache-updates | FileCheck %s

// The pieces with the newest key store it before they attend to it; the update's own loop goes.

!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 64, capacity = 1024, element = f16>

// CHECK-LABEL: func.func @pieces
// CHECK-SAME: %[[K:.*]]: memref<1x128xf32>, %{{.*}}: memref<1x128xf32>, %{{.*}}: !stc.kv_cache{{.*}}, %[[P:.*]]: index
// CHECK-NOT: scf.forall (%{{.*}}) in (1)
// CHECK: scf.forall (%{{.*}}, %[[PIECE:.*]]) in (2, %{{.*}}) {
// CHECK: %[[LAST:.*]] = arith.divui %{{.*}}, %c8
// CHECK: %[[HOLDS:.*]] = arith.cmpi eq, %[[PIECE]], %[[LAST]] : index
// CHECK: scf.if %[[HOLDS]] {
// CHECK: %[[ROW:.*]] = memref.subview %[[K]]
// CHECK: stc.cache_update %[[ROW]]
// CHECK: }
// CHECK: packed.attention_tile
func.func @pieces(%k: memref<1x128xf32>, %v: memref<1x128xf32>, %cache: !cache, %p: index,
    %pieces: index, %q: memref<1x256xf32>, %out: memref<1x256xf32>, %partials: memref<8x80xf32>) {
  %c0 = arith.constant 0 : index
  scf.forall (%t) in (1) {
    %at = arith.addi %p, %t : index
    %key = memref.subview %k[%t, 0] [1, 128] [1, 1] : memref<1x128xf32> to memref<1x128xf32, strided<[128, 1], offset: ?>>
    %value = memref.subview %v[%t, 0] [1, 128] [1, 1] : memref<1x128xf32> to memref<1x128xf32, strided<[128, 1], offset: ?>>
    stc.cache_update %key, %value, %cache[%c0, %at] : memref<1x128xf32, strided<[128, 1], offset: ?>>, memref<1x128xf32, strided<[128, 1], offset: ?>>, !cache
  }
  scf.forall (%h, %i) in (2, %pieces) {
    packed.attention_tile %h, %c0 tokens 1 ins(%q : memref<1x256xf32>) cache(%cache[%c0, %p] : !cache) outs(%out : memref<1x256xf32>) piece %i of 512 partials(%partials : memref<8x80xf32>) heads 4 scale 1.25e-01 window 0
  }
  return
}

// An update of another position, or one that something else comes behind, stays.

// CHECK-LABEL: func.func @others
// CHECK: scf.forall (%{{.*}}) in (1)
// CHECK: stc.cache_update
// CHECK: scf.forall (%{{.*}}) in (2)
// CHECK-NOT: stc.cache_update
// CHECK: memref.store
// CHECK: scf.forall (%{{.*}}) in (1)
// CHECK: stc.cache_update
// CHECK: memref.store
func.func @others(%k: memref<1x128xf32>, %v: memref<1x128xf32>, %cache: !cache, %p: index,
    %other: index, %q: memref<1x256xf32>, %out: memref<1x256xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  scf.forall (%t) in (1) {
    stc.cache_update %k, %v, %cache[%c0, %other] : memref<1x128xf32>, memref<1x128xf32>, !cache
  }
  scf.forall (%h) in (2) {
    packed.attention_tile %h, %c0 tokens 1 ins(%q : memref<1x256xf32>) cache(%cache[%c0, %p] : !cache) outs(%out : memref<1x256xf32>) heads 4 scale 1.25e-01 window 0
  }
  memref.store %zero, %out[%c0, %c0] : memref<1x256xf32>
  scf.forall (%t) in (1) {
    stc.cache_update %k, %v, %cache[%c0, %p] : memref<1x128xf32>, memref<1x128xf32>, !cache
  }
  memref.store %zero, %q[%c0, %c0] : memref<1x256xf32>
  scf.forall (%h) in (2) {
    packed.attention_tile %h, %c0 tokens 1 ins(%q : memref<1x256xf32>) cache(%cache[%c0, %p] : !cache) outs(%out : memref<1x256xf32>) heads 4 scale 1.25e-01 window 0
  }
  return
}
