// RUN: stc-opt %s --packed-plan-arena=max-tokens=8 | FileCheck %s
// RUN: not stc-opt %s --packed-plan-arena=max-tokens=0 2>&1 | FileCheck %s --check-prefix=NONE

// NONE: expects max-tokens of at least 1, but got 0

// The callee's frame lies behind the larger of its callers' frames, @large's 4096 bytes.

// CHECK: module attributes {stc.arena_bytes = 5184 : i64}

// Buffers used between the same two barriers lie side by side, the others share memory. Sizes are
// those of eight tokens, rounded up to 64 bytes.

// CHECK-LABEL: func.func private @callee
// CHECK-SAME: %[[N:.*]]: index
// CHECK: packed.scratch(%[[N]]) offset 4096 bytes 512 : memref<?x16xf32>
// CHECK: packed.scratch(%[[N]]) offset 4608 bytes 512 : memref<?x16xf32>
// CHECK: packed.scratch(%[[N]]) offset 4096 bytes 512 : memref<?x16xf32>
// CHECK: packed.scratch() offset 5120 bytes 64 : memref<3xi8>
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.dealloc
func.func private @callee(%n: index) {
  %c0 = arith.constant 0 : index
  %v = arith.constant 1 : i8
  %a = memref.alloc(%n) : memref<?x16xf32>
  %b = memref.alloc(%n) : memref<?x16xf32>
  %c = memref.alloc(%n) : memref<?x16xf32>
  %d = memref.alloc() : memref<3xi8>
  memref.store %v, %d[%c0] : memref<3xi8>
  memref.copy %a, %b : memref<?x16xf32> to memref<?x16xf32>
  packed.barrier
  memref.copy %b, %c : memref<?x16xf32> to memref<?x16xf32>
  memref.store %v, %d[%c0] : memref<3xi8>
  memref.dealloc %a : memref<?x16xf32>
  return
}

// CHECK-LABEL: func.func @large
// CHECK: packed.scratch() offset 0 bytes 4096 : memref<1024xf32>
func.func @large(%n: index, %x: memref<1024xf32>) {
  %a = memref.alloc() : memref<1024xf32>
  memref.copy %x, %a : memref<1024xf32> to memref<1024xf32>
  call @callee(%n) : (index) -> ()
  return
}

// Uses through views, loops and inside other operations count.

// CHECK-LABEL: func.func @small
// CHECK: packed.scratch() offset 0 bytes 64 : memref<16xf32>
// CHECK: packed.scratch() offset 64 bytes 64 : memref<16xf32>
func.func @small(%n: index, %x: memref<16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = memref.alloc() : memref<16xf32>
  %b = memref.alloc() : memref<16xf32>
  memref.copy %x, %a : memref<16xf32> to memref<16xf32>
  packed.barrier
  %view = memref.subview %a[0] [8] [1] : memref<16xf32> to memref<8xf32>
  memref.copy %x, %b : memref<16xf32> to memref<16xf32>
  packed.barrier
  scf.for %i = %c0 to %n step %c1 {
    func.call @callee(%n) : (index) -> ()
    %value = memref.load %view[%i] : memref<8xf32>
    memref.store %value, %b[%i] : memref<16xf32>
  }
  return
}
