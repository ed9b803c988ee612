// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_90 --canonicalize --cse | FileCheck %s

// Weights and activations go through shared memory, copied ahead; every slice of the columns waits
// for its own warps. Of 128 tokens a warp multiplies 16 by 32 rows.

// CHECK-LABEL: func.func @codes
// CHECK-DAG: %[[LOW:.*]] = arith.constant 252645135 : i32
// CHECK-DAG: %[[BITS:.*]] = arith.constant 1262485504 : i32
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK: nvvm.cp.async.commit.group
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group
// CHECK: nvvm.barrier id = %{{.*}} number_of_threads = %{{.*}}
// CHECK: nvvm.cp.async.commit.group
// CHECK: arith.addi %{{.*}}, %[[BITS]] : i32
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: arith.andi %{{.*}}, %[[LOW]] : i32
// CHECK-COUNT-16: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>
// CHECK-NOT: nvvm.mma.sync
// CHECK: scf.yield
// CHECK: gpu.barrier
// CHECK: memref.store
// CHECK: gpu.barrier
func.func @codes(%tile: index, %q: memref<?x128xi8>, %s: memref<?x4xf32>, %n: memref<?x4xi32>,
                 %w: !packed.weight<64x128, #packed.layout<dense, i4, group = 32>>,
                 %out: memref<?x64xf32>) {
  packed.matmul_tile %tile ins(%q, %s, %n : memref<?x128xi8>, memref<?x4xf32>, memref<?x4xi32>)
    weight(%w : !packed.weight<64x128, #packed.layout<dense, i4, group = 32>>)
    outs(%out : memref<?x64xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}

// Layouts that have to be searched for their values are read where they are, and activations
// copied ahead.

// CHECK-LABEL: func.func @pairs
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 2
// CHECK: nvvm.barrier id = %{{.*}} number_of_threads = %{{.*}}
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<s8>
func.func @pairs(%tile: index, %q: memref<?x128xi8>, %s: memref<?x4xf32>, %n: memref<?x4xi32>,
                 %w: !packed.weight<64x128, #packed.layout<pairs, i4, group = 32, n = 4, m = 16>>,
                 %out: memref<?x64xf32>) {
  packed.matmul_tile %tile ins(%q, %s, %n : memref<?x128xi8>, memref<?x4xf32>, memref<?x4xi32>)
    weight(%w : !packed.weight<64x128, #packed.layout<pairs, i4, group = 32, n = 4, m = 16>>)
    outs(%out : memref<?x64xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}

// Of 2:4 weights values and masks come the same way; from them the warps of a slice make operands, wait
// for each other, and multiply 64 columns at once.

// CHECK-LABEL: func.func @pruned
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group
// CHECK: nvvm.barrier id = %{{.*}} number_of_threads = %{{.*}}
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 1 : i64} : !llvm.ptr<3> -> i8
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: nvvm.barrier id = %{{.*}} number_of_threads = %{{.*}}
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-COUNT-8: nvvm.mma.sp.sync
// CHECK-NOT: nvvm.mma.sp.sync
// CHECK: scf.yield
func.func @pruned(%tile: index, %q: memref<?x128xi8>, %s: memref<?x2xf32>, %n: memref<?x2xi32>,
                  %w: !packed.weight<64x128, #packed.layout<nm, i8, group = 64, n = 2, m = 4>>,
                  %out: memref<?x64xf32>) {
  packed.matmul_tile %tile ins(%q, %s, %n : memref<?x128xi8>, memref<?x2xf32>, memref<?x2xi32>)
    weight(%w : !packed.weight<64x128, #packed.layout<nm, i8, group = 64, n = 2, m = 4>>)
    outs(%out : memref<?x64xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}

// Signed weights multiply signed activations; where steps are stored, their columns are looked up.

// CHECK-LABEL: func.func @blocks
// CHECK-NOT: cp.async
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<s8>, multiplicandBPtxType = #nvvm.mma_type<s8>
func.func @blocks(%tile: index, %q: memref<?x128xi8>, %s: memref<?x4xf32>, %n: memref<?x4xi32>,
                  %w: !packed.weight<64x128, #packed.layout<block, i8, group = 32>>,
                  %out: memref<?x64xf32>) {
  packed.matmul_tile %tile ins(%q, %s, %n : memref<?x128xi8>, memref<?x4xf32>, memref<?x4xi32>)
    weight(%w : !packed.weight<64x128, #packed.layout<block, i8, group = 32>>)
    outs(%out : memref<?x64xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}

// bf16 weights meet both halves of the activations of eight tokens.

// CHECK-LABEL: func.func @halves
// CHECK: llvm.call_intrinsic "llvm.nvvm.ff2bf16x2.rn"
// CHECK-COUNT-2: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<bf16>
// CHECK-NOT: nvvm.mma.sync
func.func @halves(%tile: index, %x: memref<8x64xf32>,
                  %w: !packed.weight<64x64, #packed.layout<dense, bf16>>,
                  %out: memref<8x64xf32>) {
  packed.matmul_tile %tile ins(%x : memref<8x64xf32>)
    weight(%w : !packed.weight<64x64, #packed.layout<dense, bf16>>)
    outs(%out : memref<8x64xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}

// Everything else, and every target without such instructions, multiplies thread by thread.

// CHECK-LABEL: func.func @floats
// CHECK-NOT: nvvm.mma.sync
// CHECK: math.fma
func.func @floats(%tile: index, %x: memref<?x64xf32>,
                  %w: !packed.weight<64x64, #packed.layout<dense, f32>>,
                  %out: memref<?x64xf32>) {
  packed.matmul_tile %tile ins(%x : memref<?x64xf32>)
    weight(%w : !packed.weight<64x64, #packed.layout<dense, f32>>)
    outs(%out : memref<?x64xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}
