// RUN: stc-opt %s --packed-distribute-threads | FileCheck %s

// Thread t of T takes iterations [t n / T, (t + 1) n / T) of all dimensions together, the last one
// fastest.

// CHECK-LABEL: func.func @share
// CHECK-SAME: (%[[X:.*]]: memref<?x4xf32>, %[[N:.*]]: index)
// CHECK: %[[THREAD:.*]], %[[THREADS:.*]] = packed.thread
// CHECK: %[[C4:.*]] = arith.constant 4 : index
// CHECK: %[[COUNT:.*]] = arith.muli %[[N]], %[[C4]]
// CHECK: %[[C1:.*]] = arith.constant 1 : index
// CHECK: %[[LOW:.*]] = arith.muli %[[THREAD]], %[[COUNT]]
// CHECK: %[[BEGIN:.*]] = arith.divui %[[LOW]], %[[THREADS]]
// CHECK: %[[AFTER:.*]] = arith.addi %[[THREAD]], %[[C1]]
// CHECK: %[[HIGH:.*]] = arith.muli %[[AFTER]], %[[COUNT]]
// CHECK: %[[END:.*]] = arith.divui %[[HIGH]], %[[THREADS]]
// CHECK: scf.for %[[I:.*]] = %[[BEGIN]] to %[[END]] step %[[C1]] {
// CHECK: %[[COLUMN:.*]] = arith.remui %[[I]], %[[C4]]
// CHECK: %[[ROW:.*]] = arith.divui %[[I]], %[[C4]]
// CHECK: memref.store %{{.*}}, %[[X]][%[[ROW]], %[[COLUMN]]]
func.func @share(%x: memref<?x4xf32>, %n: index) {
  scf.forall (%i, %j) in (%n, 4) {
    %v = arith.constant 1.0 : f32
    memref.store %v, %x[%i, %j] : memref<?x4xf32>
  }
  return
}

// CHECK-LABEL: func.func @replicated
// CHECK-SAME: (%[[V:.*]]: f32)
// CHECK-NOT: packed.thread
// CHECK: %[[X:.*]] = memref.alloca
// CHECK: %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: memref.store %[[V]], %[[X]][%[[C0]], %[[C0]]]
func.func @replicated(%v: f32) {
  %x = memref.alloca() : memref<1x1xf32>
  scf.forall (%i, %j) in (1, 1) {
    memref.store %v, %x[%i, %j] : memref<1x1xf32>
  } {packed.replicated}
  return
}

// Tiles of a bitmap differ in size: its table says which tile begins before a thread's first byte.

// CHECK-LABEL: func.func @bytes
// CHECK-SAME: %[[W:[a-z0-9]+]]: !packed.weight
// CHECK: %[[THREAD:.*]], %[[THREADS:.*]] = packed.thread
// CHECK: %[[TABLE:.*]] = packed.pointer %[[W]]
// CHECK: arith.muli %{{.*}}, %[[THREAD]]
// CHECK: arith.divui %{{.*}}, %[[THREADS]]
// CHECK: %[[BEGIN:.*]] = scf.for
// CHECK:   llvm.getelementptr %[[TABLE]]
// CHECK:   arith.cmpi ult
// CHECK: %[[END:.*]] = scf.for
// CHECK: scf.for %[[I:.*]] = %[[BEGIN]] to %[[END]]
// CHECK: packed.matmul_tile %[[I]]
func.func @bytes(%w: !packed.weight<80x32, #packed.layout<bitmap, i4, group = 32>>,
                 %x: memref<1x32xi8>, %s: memref<1x1xf32>, %t: memref<1x1xi32>,
                 %y: memref<1x80xf32>) {
  scf.forall (%i) in (5) {
    packed.matmul_tile %i ins(%x, %s, %t : memref<1x32xi8>, memref<1x1xf32>, memref<1x1xi32>)
        weight(%w : !packed.weight<80x32, #packed.layout<bitmap, i4, group = 32>>)
        outs(%y : memref<1x80xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, split = bytes>
  }
  return
}

// A matrix and its gate: the bytes of both count.

// CHECK-LABEL: func.func @bytes_of_two
// CHECK-DAG: %[[A:.*]] = packed.pointer %{{.*}} : <80x32, #packed.layout<bitmap, i4, group = 32>>
// CHECK-DAG: %[[B:.*]] = packed.pointer %{{.*}} : <80x32, #packed.layout<bitmap, i4, group = 32>>
// CHECK: scf.for
// CHECK: llvm.load
// CHECK: llvm.load
// CHECK: arith.cmpi ult
func.func @bytes_of_two(%v: !packed.weight<80x32, #packed.layout<bitmap, i4, group = 32>>,
                        %w: !packed.weight<80x32, #packed.layout<bitmap, i4, group = 32>>,
                        %x: memref<1x32xi8>, %s: memref<1x1xf32>, %t: memref<1x1xi32>,
                        %g: memref<1x80xf32>, %y: memref<1x80xf32>) {
  scf.forall (%i) in (5) {
    packed.matmul_tile %i ins(%x, %s, %t : memref<1x32xi8>, memref<1x1xf32>, memref<1x1xi32>)
        weight(%v : !packed.weight<80x32, #packed.layout<bitmap, i4, group = 32>>)
        outs(%g : memref<1x80xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, split = bytes>
    packed.matmul_tile %i ins(%x, %s, %t : memref<1x32xi8>, memref<1x1xf32>, memref<1x1xi32>)
        weight(%w : !packed.weight<80x32, #packed.layout<bitmap, i4, group = 32>>)
        gate <silu>(%g : memref<1x80xf32>) outs(%y : memref<1x80xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0, split = bytes>
  }
  return
}
