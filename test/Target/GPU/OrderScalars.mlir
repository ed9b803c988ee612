// RUN: stc-opt %s --packed-distribute-blocks=target=nvptx-sm_90 | FileCheck %s

// All threads of a block run scalar code alike. One that is ahead must not store what another has
// still to read.

// CHECK-LABEL: func.func @in_place
// CHECK: scf.for
// CHECK-NEXT: gpu.barrier
// CHECK: memref.load
// CHECK-NOT: memref.store
// CHECK: gpu.barrier
// CHECK-NEXT: memref.store
func.func @in_place(%x: memref<?xf32>, %n: index) {
  scf.forall (%i) in (%n) {
    %a = memref.load %x[%i] : memref<?xf32>
    %b = arith.addf %a, %a : f32
    memref.store %b, %x[%i] : memref<?xf32>
  }
  return
}

// Through a view, and in a loop whose next iteration stores; another buffer needs no barrier.

// CHECK-LABEL: func.func @views
// CHECK: scf.for
// CHECK-NEXT: gpu.barrier
// CHECK: scf.for
// CHECK-NOT: gpu.barrier
// CHECK: memref.store %{{.*}}, %arg1
// CHECK: gpu.barrier
// CHECK-NEXT: memref.store %{{.*}}, %arg0
// CHECK-NOT: gpu.barrier
// CHECK: return
func.func @views(%x: memref<?x8xf32>, %y: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.forall (%i) in (%n) {
    %row = memref.subview %x[%i, 0] [1, 8] [1, 1]
        : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    scf.for %j = %c0 to %c8 step %c1 {
      %a = memref.load %row[%c0, %j] : memref<1x8xf32, strided<[8, 1], offset: ?>>
      memref.store %a, %y[%i] : memref<?xf32>
      memref.store %a, %x[%i, %c0] : memref<?x8xf32>
    }
  }
  return
}

// A sum that is divided has barriers of its own; columns that are divided are not scalars.

// CHECK-LABEL: func.func @sums
// CHECK: scf.for
// CHECK-NEXT: gpu.barrier
// CHECK-NOT: gpu.barrier
// CHECK: return
func.func @sums(%x: memref<?x64xf32>, %s: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : vector<16xf32>
  scf.forall (%i) in (%n) {
    %start = memref.load %s[%i] : memref<?xf32>
    %v = scf.for %j = %c0 to %c64 step %c16 iter_args(%sum = %zero) -> vector<16xf32> {
      %a = vector.load %x[%i, %j] : memref<?x64xf32>, vector<16xf32>
      %b = arith.addf %sum, %a : vector<16xf32>
      scf.yield %b : vector<16xf32>
    } {packed.columns}
    %total = vector.reduction <add>, %v, %start fastmath<reassoc> : vector<16xf32> into f32
    memref.store %total, %s[%i] : memref<?xf32>
    scf.for %j = %c0 to %c64 step %c16 {
      %a = vector.load %x[%i, %j] : memref<?x64xf32>, vector<16xf32>
      vector.store %a, %x[%i, %j] : memref<?x64xf32>, vector<16xf32>
    } {packed.columns}
  }
  return
}
