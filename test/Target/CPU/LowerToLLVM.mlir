// RUN: stc-opt %s --stc-lower-to-llvm --reconcile-unrealized-casts | FileCheck %s

// Weights and caches are pointers, buffers are descriptors at an address.

// CHECK-LABEL: llvm.func internal @weight(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64) -> f32
// CHECK: llvm.mlir.poison : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
// CHECK: llvm.load
func.func private @weight(%w: !packed.weight<1x4, #packed.layout<rows, f32>>,
    %c: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>, %i: index) -> f32
    attributes {llvm.linkage = #llvm.linkage<internal>} {
  %p = packed.pointer %w : !packed.weight<1x4, #packed.layout<rows, f32>>
  %b = packed.buffer %p() : memref<4xf32>
  %v = memref.load %b[%i] : memref<4xf32>
  return %v : f32
}

// Rows follow each other without gaps, whatever their number.

// CHECK-LABEL: llvm.func @matrix
// CHECK-SAME: (%[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[I:.*]]: i64, %[[J:.*]]: i64)
// CHECK-DAG: llvm.mlir.constant(32 : index) : i64
// CHECK: %[[ROW:.*]] = llvm.mul %[[I]], %{{.*}}
// CHECK: %[[AT:.*]] = llvm.add %[[ROW]], %[[J]]
// CHECK: %[[ADDRESS:.*]] = llvm.getelementptr {{.*}}[%[[AT]]]
// CHECK: llvm.load %[[ADDRESS]] {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
func.func @matrix(%p: !llvm.ptr, %n: index, %i: index, %j: index) -> vector<16xf32> {
  %b = packed.buffer %p(%n) : memref<?x32xf32>
  %v = vector.load %b[%i, %j] : memref<?x32xf32>, vector<16xf32>
  return %v : vector<16xf32>
}

// CHECK-LABEL: llvm.func @cast
// CHECK-SAME: (%[[P:.*]]: !llvm.ptr)
// CHECK-NEXT: llvm.call @use(%[[P]])
func.func private @use(!packed.weight<1x4, #packed.layout<rows, f32>>)
func.func @cast(%p: !llvm.ptr) {
  %w = builtin.unrealized_conversion_cast %p
      : !llvm.ptr to !packed.weight<1x4, #packed.layout<rows, f32>>
  call @use(%w) : (!packed.weight<1x4, #packed.layout<rows, f32>>) -> ()
  return
}
