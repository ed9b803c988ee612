// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// One token that sees keys up to an end: the warps of the block share the keys of a piece. Keys and values come in loads of 16 and
// 8 bytes per lane; the lanes with the same keys exchange sums; the results of the warps are put
// together behind a barrier.

// CHECK-LABEL: func.func @decode
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: scf.for
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<8xf16>
// CHECK: math.fma %{{.*}} : vector<8xf32>
// CHECK-COUNT-7: gpu.shuffle {{ *}}xor
// CHECK: arith.cmpi slt
// CHECK: ex2.approx
// CHECK: nvvm.bar.warp.sync
// CHECK: scf.for
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> vector<4xf16>
// CHECK: math.fma %{{.*}} : vector<4xf32>
// CHECK: nvvm.bar.warp.sync
// CHECK: gpu.barrier
// CHECK: memref.store {{.*}} : memref<64x144xf32>
// CHECK: gpu.barrier

// PTX-DAG: ld.global.v4.b32
// PTX-DAG: ld.shared.v4.b32
// PTX-DAG: ex2.approx.ftz.f32
// PTX-DAG: bar.warp.sync

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096, element = f16>
module {
  func.func @decode(%tokens: memref<1xi32>, %position: index,
      %cache: !cache, %out: memref<1x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %q = packed.scratch() offset 0 bytes 1048576 : memref<1x1024xf32>
    %p = packed.scratch() offset 1048576 bytes 36864 : memref<64x144xf32>
    scf.forall (%h, %n) in (2, %c8) {
      packed.attention_tile %h, %c0 tokens 1 ins(%q : memref<1x1024xf32>)
          cache(%cache[%c1, %position] : !cache) to %position outs(%out : memref<1x1024xf32>)
          piece %n of 512 partials(%p : memref<64x144xf32>)
          heads 8 scale 1.25e-01 window 0
    }
    packed.barrier
    return
  }
}
