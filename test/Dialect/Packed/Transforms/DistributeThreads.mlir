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
// CHECK: packed.barrier
// CHECK-NEXT: return
func.func @share(%x: memref<?x4xf32>, %n: index) {
  scf.forall (%i, %j) in (%n, 4) {
    %v = arith.constant 1.0 : f32
    memref.store %v, %x[%i, %j] : memref<?x4xf32>
  }
  return
}

// Loops that touch different memory need no barrier between them: arguments differ from each other
// and from scratch, scratch buffers by their bytes, and weights are never written.

// CHECK-LABEL: func.func @independent
// CHECK: scf.for
// CHECK-NOT: packed.barrier
// CHECK: scf.for
// CHECK-NOT: packed.barrier
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK-NEXT: return
func.func @independent(%x: memref<4xf32>, %y: memref<4xf32>,
                       %w: !packed.weight<1x4, #packed.layout<rows, f32>>) {
  %s = packed.scratch() offset 0 bytes 64 : memref<4xf32>
  %t = packed.scratch() offset 64 bytes 64 : memref<4xf32>
  %c = packed.vector %w : !packed.weight<1x4, #packed.layout<rows, f32>> -> memref<4xf32>
  scf.forall (%i) in (4) {
    %v = memref.load %x[%i] : memref<4xf32>
    memref.store %v, %s[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %c[%i] : memref<4xf32>
    memref.store %v, %t[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %c[%i] : memref<4xf32>
    memref.store %v, %y[%i] : memref<4xf32>
  }
  return
}

// Reading what was written, writing what was read, and writing the same bytes under another name
// (here through a view) need one.

// CHECK-LABEL: func.func @dependent
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK-NEXT: return
func.func @dependent(%x: memref<8xf32>) {
  %s = packed.scratch() offset 0 bytes 64 : memref<8xf32>
  %t = packed.scratch() offset 0 bytes 128 : memref<32xf32>
  %u = memref.subview %t[8] [8] [1] : memref<32xf32> to memref<8xf32, strided<[1], offset: 8>>
  scf.forall (%i) in (4) {
    %v = memref.load %x[%i] : memref<8xf32>
    memref.store %v, %s[%i] : memref<8xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %s[%i] : memref<8xf32>
    %w = memref.load %x[%i] : memref<8xf32>
    memref.store %v, %x[%i] : memref<8xf32>
  }
  scf.forall (%i) in (4) {
    %v = arith.constant 1.0 : f32
    memref.store %v, %x[%i] : memref<8xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %x[%i] : memref<8xf32>
    memref.store %v, %u[%i] : memref<8xf32, strided<[1], offset: 8>>
  }
  return
}

// One iteration is always the last thread's: the second loop runs after the first without a
// barrier, the third does not.

// CHECK-LABEL: func.func @single
// CHECK: scf.for
// CHECK-NOT: packed.barrier
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK: scf.for
// CHECK: packed.barrier
func.func @single(%x: memref<4xf32>, %y: memref<4xf32>, %v: f32) {
  scf.forall (%i) in (1) {
    memref.store %v, %x[%i] : memref<4xf32>
  }
  scf.forall (%i, %j) in (1, 1) {
    %w = memref.load %x[%i] : memref<4xf32>
    memref.store %w, %y[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    %w = memref.load %y[%i] : memref<4xf32>
    memref.store %w, %x[%i] : memref<4xf32>
  }
  return
}

// The cache is one piece of memory; tile operations say what they touch.

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 8, capacity = 16>
// CHECK-LABEL: func.func @cache
// CHECK: stc.cache_update
// CHECK: packed.barrier
// CHECK: packed.attention
// CHECK: packed.barrier
func.func @cache(%k: memref<4x8xf32>, %q: memref<4x8xf32>, %y: memref<4x8xf32>, %c: !cache,
                 %l: index, %p: index) {
  scf.forall (%i) in (2) {
    stc.cache_update %k, %k, %c[%l, %p] : memref<4x8xf32>, memref<4x8xf32>, !cache
  }
  scf.forall (%i) in (2) {
    packed.attention ins(%q : memref<4x8xf32>) cache(%c[%l, %p] : !cache)
        outs(%y : memref<4x8xf32>) heads 1 scale 5.0e-01 window 0
  }
  return
}

// Calls and blocks begin and end with all threads in step.

// CHECK-LABEL: func.func @calls
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK-NEXT: func.call @share
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @calls(%x: memref<?x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%n) {
    %v = arith.constant 1.0 : f32
    memref.store %v, %x[%i, %c0] : memref<?x4xf32>
  }
  scf.for %l = %c0 to %n step %c1 {
    func.call @share(%x, %n) : (memref<?x4xf32>, index) -> ()
    scf.forall (%i) in (%n) {
      %v = arith.constant 1.0 : f32
      memref.store %v, %x[%i, %c0] : memref<?x4xf32>
    }
  }
  return
}

// What every thread reads must be complete.

// CHECK-LABEL: func.func @read
// CHECK: scf.for
// CHECK: packed.barrier
// CHECK-NEXT: memref.load
func.func @read(%x: memref<4xindex>, %n: index) -> index {
  scf.forall (%i) in (4) {
    memref.store %i, %x[%i] : memref<4xindex>
  }
  %v = memref.load %x[%n] : memref<4xindex>
  return %v : index
}
