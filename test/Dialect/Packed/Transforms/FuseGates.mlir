// RUN: stc-opt %s --packed-fuse-gates | FileCheck %s

!w = !packed.weight<64x32, #packed.layout<dense, bf16>>

// What a thread reads of the gate it has written itself.
// CHECK-LABEL: func.func @neighbours
// CHECK: scf.forall (%[[I:.*]]) in (4) {
// CHECK-NEXT: packed.matmul_tile %[[I]] {{.*}} outs(%[[G:.*]] : memref<?x64xf32>)
// CHECK-NEXT: packed.matmul_tile %[[I]] {{.*}} gate <silu>(%[[G]] : memref<?x64xf32>)
// CHECK-NEXT: }
// CHECK-NOT: scf.forall
func.func @neighbours(%x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// A loop between them that has nothing to do with the gate does not keep them apart.
// CHECK-LABEL: func.func @between
// CHECK: scf.forall
// CHECK-NEXT: packed.matmul_tile {{.*}} outs(%[[Z:.*]] : memref<?x64xf32>)
// CHECK-NEXT: }
// CHECK: scf.forall (%[[I:.*]]) in (4) {
// CHECK-NEXT: packed.matmul_tile %[[I]] {{.*}} outs(%[[G:.*]] : memref<?x64xf32>)
// CHECK-NEXT: packed.matmul_tile %[[I]] {{.*}} gate <silu>(%[[G]] : memref<?x64xf32>)
// CHECK-NEXT: }
// CHECK-NOT: scf.forall
func.func @between(%x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w, %z: memref<?x64xf32>) {
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%z : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// One that changes it does.
// CHECK-LABEL: func.func @changed
// CHECK: scf.forall
// CHECK: scf.forall
// CHECK: scf.forall
func.func @changed(%x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (2) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        residual(%g : memref<?x64xf32>) outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// Tokens that are divided alike become one loop too.
// CHECK-LABEL: func.func @divided
// CHECK-SAME: %[[N:[a-z0-9]*]]: index
// CHECK: scf.forall (%[[I:.*]], %[[J:.*]]) in (4, %[[N]]) {
// CHECK: %[[T:.*]] = arith.muli %[[J]]
// CHECK: packed.matmul_tile %[[I]] tokens from %[[T]]
// CHECK: %[[U:.*]] = arith.muli %[[J]]
// CHECK: packed.matmul_tile %[[I]] tokens from %[[U]] {{.*}} gate <silu>
// CHECK-NOT: scf.forall
// CHECK: return
func.func @divided(%n: index, %x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  %c64 = arith.constant 64 : index
  scf.forall (%i, %j) in (4, %n) {
    %t = arith.muli %j, %c64 : index
    packed.matmul_tile %i tokens from %t ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, piece_tokens = 64>
  }
  scf.forall (%i, %j) in (4, %n) {
    %t = arith.muli %j, %c64 : index
    packed.matmul_tile %i tokens from %t ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, piece_tokens = 64>
  }
  return
}

// Those that are not stay apart.
// CHECK-LABEL: func.func @other_tokens
// CHECK: scf.forall
// CHECK: scf.forall
func.func @other_tokens(%n: index, %x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  %c64 = arith.constant 64 : index
  %c32 = arith.constant 32 : index
  scf.forall (%i, %j) in (4, %n) {
    %t = arith.muli %j, %c64 : index
    packed.matmul_tile %i tokens from %t ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, piece_tokens = 64>
  }
  scf.forall (%i, %j) in (4, %n) {
    %t = arith.muli %j, %c32 : index
    packed.matmul_tile %i tokens from %t ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, piece_tokens = 32>
  }
  return
}

// Pieces of different sizes stay apart.
// CHECK-LABEL: func.func @pieces
// CHECK: scf.forall
// CHECK: scf.forall
func.func @pieces(%x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  scf.forall (%i) in (2) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 2>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// What reads all of the gate must wait for it.
// CHECK-LABEL: func.func @also_input
// CHECK: scf.forall
// CHECK: scf.forall
func.func @also_input(%x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) residual(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// So must what overwrites the first multiplication's inputs.
// CHECK-LABEL: func.func @overwritten
// CHECK: scf.forall
// CHECK: scf.forall
func.func @overwritten(%x: memref<?x32xf32>, %g: memref<?x64xf32>, %y: memref<?x64xf32>, %v: !w, %w: !w) {
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%v : !w)
        residual(%y : memref<?x64xf32>) outs(%g : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (4) {
    packed.matmul_tile %i ins(%x : memref<?x32xf32>) weight(%w : !w)
        gate <silu>(%g : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
