// RUN: stc-opt %s --packed-fuse-rows | FileCheck %s

// What the first loop writes, the second reads in the same row; the third writes a buffer that
// the second reads, in the same row too.
// CHECK-LABEL: func.func @same_rows
// CHECK: scf.forall (%[[T:.*]]) in (%{{.*}}) {
// CHECK: memref.store %{{.*}}, %[[B:.*]][%[[T]], %{{.*}}]
// CHECK: memref.subview %[[B]][%[[T]], 0]
// CHECK: packed.quantize_activations
// CHECK: memref.store %{{.*}}, %[[B]][%[[T]], %{{.*}}]
// CHECK-NOT: scf.forall
func.func @same_rows(%c: memref<?x32xi8>, %s: memref<?x1xf32>, %t: memref<?x1xi32>, %n: index,
                     %v: f32) {
  %zero = arith.constant 0 : index
  %b = memref.alloc(%n) : memref<?x32xf32>
  scf.forall (%i) in (%n) {
    memref.store %v, %b[%i, %zero] : memref<?x32xf32>
  }
  %m = memref.dim %c, %zero : memref<?x32xi8>
  scf.forall (%i) in (%m) {
    %x = memref.subview %b[%i, 0] [1, 32] [1, 1]
        : memref<?x32xf32> to memref<1x32xf32, strided<[32, 1], offset: ?>>
    %c1 = memref.subview %c[%i, 0] [1, 32] [1, 1]
        : memref<?x32xi8> to memref<1x32xi8, strided<[32, 1], offset: ?>>
    %s1 = memref.subview %s[%i, 0] [1, 1] [1, 1]
        : memref<?x1xf32> to memref<1x1xf32, strided<[1, 1], offset: ?>>
    %t1 = memref.subview %t[%i, 0] [1, 1] [1, 1]
        : memref<?x1xi32> to memref<1x1xi32, strided<[1, 1], offset: ?>>
    packed.quantize_activations ins(%x : memref<1x32xf32, strided<[32, 1], offset: ?>>)
        outs(%c1, %s1, %t1 : memref<1x32xi8, strided<[32, 1], offset: ?>>,
             memref<1x1xf32, strided<[1, 1], offset: ?>>,
             memref<1x1xi32, strided<[1, 1], offset: ?>>) group 32
  }
  scf.forall (%i) in (%m) {
    memref.store %v, %b[%i, %zero] : memref<?x32xf32>
  }
  return
}

// A loop between two others does not keep them apart if it has nothing to do with the first.
// CHECK-LABEL: func.func @across
// CHECK-SAME: %[[B:[a-z0-9]+]]: memref<?x32xf32>
// CHECK: scf.forall (%{{.*}}) in (7)
// CHECK: scf.forall (%[[T:.*]]) in (%{{.*}}) {
// CHECK: memref.store %{{.*}}, %[[B]][%[[T]], %{{.*}}]
// CHECK: memref.load %[[B]][%[[T]], %{{.*}}]
// CHECK: return
func.func @across(%b: memref<?x32xf32>, %y: memref<?x32xf32>, %o: memref<7x32xf32>, %n: index,
                  %v: f32) {
  %zero = arith.constant 0 : index
  scf.forall (%i) in (%n) {
    memref.store %v, %b[%i, %zero] : memref<?x32xf32>
  }
  scf.forall (%i) in (7) {
    memref.store %v, %o[%i, %zero] : memref<7x32xf32>
  }
  scf.forall (%i) in (%n) {
    %x = memref.load %b[%i, %zero] : memref<?x32xf32>
    memref.store %x, %y[%i, %zero] : memref<?x32xf32>
  }
  return
}

// Here it reads what the first wrote.
// CHECK-LABEL: func.func @between
// CHECK-COUNT-3: scf.forall
func.func @between(%b: memref<?x32xf32>, %y: memref<?x32xf32>, %o: memref<7x32xf32>, %n: index,
                   %v: f32) {
  %zero = arith.constant 0 : index
  scf.forall (%i) in (%n) {
    memref.store %v, %b[%i, %zero] : memref<?x32xf32>
  }
  scf.forall (%i) in (7) {
    %x = memref.load %b[%zero, %i] : memref<?x32xf32>
    memref.store %x, %o[%i, %zero] : memref<7x32xf32>
  }
  scf.forall (%i) in (%n) {
    %x = memref.load %b[%i, %zero] : memref<?x32xf32>
    memref.store %x, %y[%i, %zero] : memref<?x32xf32>
  }
  return
}

// The second loop reads a row that another iteration of the first writes.
// CHECK-LABEL: func.func @other_rows
// CHECK-COUNT-2: scf.forall
func.func @other_rows(%b: memref<?x32xf32>, %y: memref<?x32xf32>, %n: index, %v: f32) {
  %zero = arith.constant 0 : index
  scf.forall (%i) in (%n) {
    memref.store %v, %b[%i, %zero] : memref<?x32xf32>
  }
  scf.forall (%i) in (%n) {
    %x = memref.load %b[%zero, %i] : memref<?x32xf32>
    memref.store %x, %y[%i, %zero] : memref<?x32xf32>
  }
  return
}

// Loops of different lengths, loops over one token, and loops with a barrier between them stay.
// CHECK-LABEL: func.func @others
// CHECK-COUNT-6: scf.forall
func.func @others(%b: memref<4x32xf32>, %v: f32) {
  %zero = arith.constant 0 : index
  scf.forall (%i) in (4) {
    memref.store %v, %b[%i, %zero] : memref<4x32xf32>
  }
  scf.forall (%i) in (3) {
    memref.store %v, %b[%i, %zero] : memref<4x32xf32>
  }
  scf.forall (%i) in (1) {
    memref.store %v, %b[%i, %zero] : memref<4x32xf32>
  }
  scf.forall (%i) in (1) {
    memref.store %v, %b[%i, %zero] : memref<4x32xf32>
  }
  scf.forall (%i) in (4) {
    memref.store %v, %b[%i, %zero] : memref<4x32xf32>
  }
  packed.barrier
  scf.forall (%i) in (4) {
    memref.store %v, %b[%i, %zero] : memref<4x32xf32>
  }
  return
}

// Two loops that write the cache are left alone: it has no rows.
// CHECK-LABEL: func.func @cache
// CHECK-COUNT-2: scf.forall
func.func @cache(%k: memref<?x8xf32>, %n: index, %layer: index,
                 %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 8, capacity = 16>) {
  scf.forall (%i) in (%n) {
    %r = memref.subview %k[%i, 0] [1, 8] [1, 1]
        : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    stc.cache_update %r, %r, %cache[%layer, %i] : memref<1x8xf32, strided<[8, 1], offset: ?>>,
        memref<1x8xf32, strided<[8, 1], offset: ?>>,
        <layers = 1, kv_heads = 1, head_dim = 8, capacity = 16>
  }
  scf.forall (%i) in (%n) {
    %r = memref.subview %k[%i, 0] [1, 8] [1, 1]
        : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    stc.cache_update %r, %r, %cache[%layer, %i] : memref<1x8xf32, strided<[8, 1], offset: ?>>,
        memref<1x8xf32, strided<[8, 1], offset: ?>>,
        <layers = 1, kv_heads = 1, head_dim = 8, capacity = 16>
  }
  return
}

// Tiles of two weights stay apart: each thread reads one stream at a time.
// CHECK-LABEL: func.func @tiles
// CHECK-COUNT-2: scf.forall
func.func @tiles(%w: !packed.weight<32x32, #packed.layout<dense, bf16>>, %x: memref<1x32xf32>,
                 %y: memref<1x32xf32>, %z: memref<1x32xf32>) {
  scf.forall (%i) in (2) {
    packed.matmul_tile %i ins(%x : memref<1x32xf32>)
        weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
        outs(%y : memref<1x32xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (2) {
    packed.matmul_tile %i ins(%x : memref<1x32xf32>)
        weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
        outs(%z : memref<1x32xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
