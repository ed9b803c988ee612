// RUN: stc-opt %s --stc-lower-to-gpu=target=simt-mma --reconcile-unrealized-casts | FileCheck %s

// Fragments lie on the stack of the thread, in the first block: not in a loop, which would take more
// each time.

// CHECK-LABEL: llvm.func @multiply
// CHECK-DAG: llvm.alloca %{{.*}} x i32
// CHECK-DAG: llvm.alloca %{{.*}} x i32
// CHECK-DAG: %[[SUMS:.*]] = llvm.alloca %{{.*}} x i32
// CHECK: llvm.br
// CHECK-NOT: llvm.alloca
// CHECK: %[[UNSIGNED:.*]] = llvm.mlir.constant(0 : i32)
// CHECK: %[[SIGNED:.*]] = llvm.mlir.constant(1 : i32)
// CHECK: llvm.call @stc_simt_mma_int8(%[[SUMS:.*]], %{{.*}}, %{{.*}}, %[[UNSIGNED]], %[[SIGNED]], %{{.*}})
// CHECK: llvm.load %[[SUMS]] : !llvm.ptr -> !llvm.struct<(i32, i32, i32, i32)>
func.func @multiply(%a: i32, %b: i32, %c: i32) -> !llvm.struct<(i32, i32, i32, i32)> {
  cf.br ^next
^next:
  %d = nvvm.mma.sync A[%a, %a, %a, %a] B[%b, %b] C[%c, %c, %c, %c] {intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>} : (i32, i32, i32) -> !llvm.struct<(i32, i32, i32, i32)>
  return %d : !llvm.struct<(i32, i32, i32, i32)>
}

// CHECK-LABEL: llvm.func @multiply_pruned
// CHECK: %[[SUMS:.*]] = llvm.alloca %{{.*}} x i32
// CHECK: llvm.call @stc_simt_mma_sparse_int8(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, i32, i32) -> ()
func.func @multiply_pruned(%a: i32, %b: i32, %c: i32, %places: i32) -> !llvm.struct<(i32, i32, i32, i32)> {
  %none = arith.constant 0 : i32
  %d = nvvm.mma.sp.sync A[%a, %a, %a, %a] B[%b, %b, %b, %b] C[%c, %c, %c, %c] sparseMetadata[%places] selector[%none] {intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, multiplicandAPtxType = #nvvm.mma_type<s8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 64>} : (i32, i32, i32) -> !llvm.struct<(i32, i32, i32, i32)>
  return %d : !llvm.struct<(i32, i32, i32, i32)>
}

// CHECK-LABEL: llvm.func @multiply_pruned_floats
// CHECK: %[[SUMS:.*]] = llvm.alloca %{{.*}} x f32
// CHECK: %[[PAIR:.*]] = llvm.mlir.constant(1 : i32)
// CHECK: llvm.call @stc_simt_mma_sparse_bf16(%[[SUMS]], %{{.*}}, %{{.*}}, %{{.*}}, %[[PAIR]], %{{.*}}) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, i32, i32, i32) -> ()
func.func @multiply_pruned_floats(%a: i32, %b: i32, %c: f32, %places: i32) -> !llvm.struct<(f32, f32, f32, f32)> {
  %pair = arith.constant 1 : i32
  %d = nvvm.mma.sp.sync A[%a, %a, %a, %a] B[%b, %b, %b, %b] C[%c, %c, %c, %c] sparseMetadata[%places] selector[%pair] {multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>, shape = #nvvm.shape<m = 16, n = 8, k = 32>} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  return %d : !llvm.struct<(f32, f32, f32, f32)>
}

// CHECK-LABEL: llvm.func @copy
// CHECK-SAME: (%[[TO:[^:]*]]: !llvm.ptr, %[[FROM:[^:]*]]: !llvm.ptr)
// CHECK: %[[BYTES:.*]] = llvm.mlir.constant(16 : i32)
// CHECK: llvm.call @stc_simt_copy_async(%[[TO]], %[[FROM]], %[[BYTES]])
// CHECK: llvm.call @stc_simt_copy_commit()
// CHECK: %[[GROUPS:.*]] = llvm.mlir.constant(2 : i32)
// CHECK: llvm.call @stc_simt_copy_wait(%[[GROUPS]])
// CHECK: llvm.call @stc_simt_warp_barrier
func.func @copy(%to: !llvm.ptr<3>, %from: !llvm.ptr<1>) {
  nvvm.cp.async.shared.global %to, %from, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
  nvvm.cp.async.commit.group
  nvvm.cp.async.wait.group 2
  %all = arith.constant -1 : i32
  nvvm.bar.warp.sync %all : i32
  return
}

// CHECK-LABEL: llvm.func @load
// CHECK: llvm.store
// CHECK: %[[COUNT:.*]] = llvm.mlir.constant(4 : i32)
// CHECK: %[[TRANSPOSED:.*]] = llvm.mlir.constant(1 : i32)
// CHECK: llvm.call @stc_simt_load_matrices(%[[WORDS:.*]], %{{.*}}, %[[COUNT]], %[[TRANSPOSED]], %{{.*}})
// CHECK: llvm.load %[[WORDS]] : !llvm.ptr -> !llvm.struct<(i32, i32, i32, i32)>
func.func @load(%row: !llvm.ptr<3>) -> !llvm.struct<(i32, i32, i32, i32)> {
  %words = nvvm.ldmatrix %row {num = 4 : i32, layout = #nvvm.mma_layout<col>, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = #nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> !llvm.struct<(i32, i32, i32, i32)>
  return %words : !llvm.struct<(i32, i32, i32, i32)>
}
