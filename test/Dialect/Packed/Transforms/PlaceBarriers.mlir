// RUN: stc-opt %s --packed-place-barriers | FileCheck %s

// Loops that touch different memory need no barrier between them: arguments differ from each other
// and from allocations, and weights are never written.

// CHECK-LABEL: func.func @independent
// CHECK: scf.forall
// CHECK-NOT: packed.barrier
// CHECK: scf.forall
// CHECK-NOT: packed.barrier
// CHECK: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: return
func.func @independent(%x: memref<4xf32>, %y: memref<4xf32>,
                       %w: !packed.weight<1x4, #packed.layout<rows, f32>>) {
  %s = memref.alloc() : memref<4xf32>
  %t = memref.alloc() : memref<4xf32>
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

// Reading what was written, writing what was read, and writing the same buffer again (here through
// a view) need one.

// CHECK-LABEL: func.func @dependent
// CHECK: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: return
func.func @dependent(%x: memref<8xf32>, %y: memref<8xf32>) {
  %s = memref.alloc() : memref<16xf32>
  %t = memref.subview %s[8] [8] [1] : memref<16xf32> to memref<8xf32, strided<[1], offset: 8>>
  scf.forall (%i) in (4) {
    %v = memref.load %x[%i] : memref<8xf32>
    memref.store %v, %s[%i] : memref<16xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %s[%i] : memref<16xf32>
    memref.store %v, %y[%i] : memref<8xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %y[%i] : memref<8xf32>
    memref.store %v, %t[%i] : memref<8xf32, strided<[1], offset: 8>>
  }
  scf.forall (%i) in (4) {
    %v = arith.constant 1.0 : f32
    memref.store %v, %s[%i] : memref<16xf32>
  }
  return
}

// The third loop depends on none of the others, so it runs with the first one.

// CHECK-LABEL: func.func @reordered
// CHECK-SAME: (%[[A:.*]]: memref<4xf32>, %[[B:.*]]: memref<4xf32>, %[[C:.*]]: memref<4xf32>)
// CHECK: %[[ONE:.*]] = arith.constant 1.0
// CHECK: memref.store %{{.*}}, %[[A]]
// CHECK-NOT: packed.barrier
// CHECK: memref.store %[[ONE]], %[[C]]
// CHECK: packed.barrier
// CHECK: memref.load %[[A]]
// CHECK: packed.barrier
// CHECK-NEXT: return
func.func @reordered(%a: memref<4xf32>, %b: memref<4xf32>, %c: memref<4xf32>) {
  %zero = arith.constant 0.0 : f32
  scf.forall (%i) in (4) {
    memref.store %zero, %a[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %a[%i] : memref<4xf32>
    memref.store %v, %b[%i] : memref<4xf32>
  }
  %one = arith.constant 1.0 : f32
  scf.forall (%i) in (4) {
    memref.store %one, %c[%i] : memref<4xf32>
  }
  return
}

// One iteration is always the last thread's: the second loop runs after the first without a
// barrier, the third does not.

// CHECK-LABEL: func.func @single
// CHECK: scf.forall
// CHECK-NOT: packed.barrier
// CHECK: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: return
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

// Private buffers need no barrier, but their order in the thread stays: the last loop writes what
// the second reads. What a replicated loop reads, every thread reads.

// CHECK-LABEL: func.func @private
// CHECK: %[[P:.*]] = memref.alloca
// CHECK: memref.load %{{.*}}
// CHECK: memref.store %{{.*}}, %[[P]]
// CHECK: {packed.replicated}
// CHECK-NOT: packed.barrier
// CHECK: memref.load %[[P]]
// CHECK: packed.barrier
// CHECK: memref.store
// CHECK: packed.barrier
// CHECK: memref.store %{{.*}}, %[[P]]
// CHECK: {packed.replicated}
// CHECK: return
func.func @private(%x: memref<4xf32>, %y: memref<4xf32>, %v: f32) {
  %p = memref.alloca() : memref<1xf32>
  scf.forall (%i) in (1) {
    %w = memref.load %x[%i] : memref<4xf32>
    memref.store %w, %p[%i] : memref<1xf32>
  } {packed.replicated}
  scf.forall (%i) in (4) {
    %w = memref.load %p[%i] : memref<1xf32>
    memref.store %w, %y[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    memref.store %v, %x[%i] : memref<4xf32>
  }
  scf.forall (%i) in (1) {
    %w = memref.load %x[%i] : memref<4xf32>
    memref.store %w, %p[%i] : memref<1xf32>
  } {packed.replicated}
  return
}

// The cache is one piece of memory; operations say what they touch.

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
// CHECK: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK-NEXT: func.call @cache
// CHECK-NEXT: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @calls(%x: memref<?x4xf32>, %n: index, %k: memref<4x8xf32>, %c: !cache, %v: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%n) {
    memref.store %v, %x[%i, %c0] : memref<?x4xf32>
  }
  scf.for %l = %c0 to %n step %c1 {
    func.call @cache(%k, %k, %k, %c, %l, %l)
        : (memref<4x8xf32>, memref<4x8xf32>, memref<4x8xf32>, !cache, index, index) -> ()
    scf.forall (%i) in (%n) {
      memref.store %v, %x[%i, %c0] : memref<?x4xf32>
    }
  }
  return
}

// What every thread reads must be complete, and stay until it has been read.

// CHECK-LABEL: func.func @read
// CHECK: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: memref.load
// CHECK-NEXT: packed.barrier
// CHECK-NEXT: scf.forall
func.func @read(%x: memref<4xindex>, %n: index) -> index {
  scf.forall (%i) in (4) {
    memref.store %i, %x[%i] : memref<4xindex>
  }
  %v = memref.load %x[%n] : memref<4xindex>
  scf.forall (%i) in (4) {
    memref.store %n, %x[%i] : memref<4xindex>
  }
  return %v : index
}

// An address that comes from nowhere known may lead anywhere.

// CHECK-LABEL: func.func @unknown
// CHECK: scf.forall
// CHECK: packed.barrier
// CHECK-NEXT: scf.forall
func.func @unknown(%x: memref<4xf32>, %p: !llvm.ptr, %v: f32) {
  scf.forall (%i) in (4) {
    memref.store %v, %x[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    llvm.store %v, %p : f32, !llvm.ptr
  }
  return
}
